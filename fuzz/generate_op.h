/* SPDX-License-Identifier: MIT */
/*
 * generate_op.h: how single operands are drawn, for generate_op.c and generate_aspace.c.
 */
#ifndef FUZZ_GENERATE_OP_H_
#define FUZZ_GENERATE_OP_H_

#include "generate.h"

/* A slot of the set, which is not empty. */
uint8_t generator_slot(struct generator *generator, uint64_t set);
/* Of a VMO, and of a mapping: mostly one there is. */
uint8_t generator_vmo_slot(struct generator *generator);
uint8_t generator_mapping(struct generator *generator);
/* For a result: mostly one that is not taken. */
uint8_t generator_to(struct generator *generator, uint64_t taken);

/* At least 1. */
uint32_t generator_vmo_pages(const struct generator *generator, uint8_t vmo);
uint32_t generator_mark_pages(const struct generator *generator, uint8_t mark);
/* One up to `most` pages, few more often. */
uint32_t generator_count(struct generator *generator, uint32_t most);

struct trace_amount generator_amount(uint8_t kind, uint32_t value);
struct trace_amount generator_pages(uint32_t pages);
struct trace_amount generator_any_amount(struct generator *generator);
/* A place in the landmark of so many pages; `bytes`: anywhere in a page. */
struct trace_amount generator_inside(struct generator *generator, uint32_t pages, bool bytes);
/* How much of it is taken. */
struct trace_amount generator_extent(struct generator *generator, uint32_t pages);
/* Bytes of an access. */
struct trace_amount generator_bytes(struct generator *generator);

/* Process, landmark and address of an access. */
void generator_access(struct generator *generator, struct trace_op *op);

/* ---- generate_aspace.c ---- */

/* The operands of operations from harvest_accessed_bits on. */
void generator_draw_aspace(struct generator *generator, struct trace_op *op);
/* A mapping of a vDSO's code, or over it; false where nothing calls for one. */
bool generator_draw_vdso_map(struct generator *generator, struct trace_op *op);
/* A VMAR that the vDSO's code is in; GENERATOR_ROOT where that is not wanted. */
uint8_t generator_vdso_holder(struct generator *generator);

#endif /* FUZZ_GENERATE_OP_H_ */
