/* SPDX-License-Identifier: MIT */
/*
 * snapshot.c: the state of a machine as text (snapshot.h says what is in it and what is not).
 *
 * Every line names a thing completely: the difference of two snapshots can be read without the rest. Nothing depends
 * on addresses of the host.
 */
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../vm/internal.h"
#include "../../vm/region_walk.h"

typedef unsigned long long ull;

struct writer {
    struct vm_sink sink;
    char *text;
    size_t size, capacity;
};

static void writer_write(struct vm_sink *sink, const char *text, size_t size)
{
    struct writer *writer = container_of(sink, struct writer, sink);

    if (size > writer->capacity - writer->size) {
        writer->capacity = 2 * writer->capacity + size + 4096;
        writer->text = realloc(writer->text, writer->capacity);
        if (writer->text == NULL)
            abort();
    }
    memcpy(writer->text + writer->size, text, size);
    writer->size += size;
}

/* ---- Pages and objects in numbers ---- */

static void write_counts(struct vm_sink *to)
{
    const struct vm_machine *machine = vm_machine;
    const struct slab_cache *caches[] = {&machine->region_leaf_cache, &machine->region_inner_cache,
                                         &machine->page_list_cache,   &machine->vmar_cache,
                                         &machine->mapping_cache,     &machine->vmo_cache,
                                         &machine->aspace_cache,      &machine->process_cache,
                                         &machine->handle_cache,      &machine->thread_cache};

    for (unsigned state = 0; state < VM_PAGE_STATE_COUNT; state++)
        vm_print(to, "pages in state %u: %llu\n", state, (ull)pmm_count(state));
    for (size_t i = 0; i < sizeof(caches) / sizeof(caches[0]); i++)
        vm_print(to, "cache %s: %llu objects in %llu slabs\n", caches[i]->name, (ull)caches[i]->objects,
                 (ull)caches[i]->slabs);
}

/* Where in physical memory, told so that it does not depend on where the host put that. */
static ull frame_of(zx_paddr_t paddr)
{
    return paddr - vm_machine->pmm.arenas[0].base;
}

/* ---- Spaces ---- */

static void write_vmar(struct vm_sink *to, const struct vm_vmar *vmar, unsigned depth)
{
    const struct vm_region *region = &vmar->region;

    vm_print(to, "  %u vmar %llu [0x%llx, 0x%llx) flags 0x%x%s%s, %llu children in %llu bytes%s\n", depth,
             (ull)vmar->object.koid, (ull)region->base, (ull)(region->base + region->size), region->flags,
             vmar->compact ? " compact" : "", vmar->high_priority ? " high" : "", (ull)vmar->children.count,
             (ull)region_tree_bytes(&vmar->children), region->alive ? "" : " dead");
}

static void write_mapping(struct vm_sink *to, const struct vm_mapping *mapping, unsigned depth)
{
    const struct vm_region *region = &mapping->region;
    zx_vaddr_t end = region->base + region->size, part_base, part_end;

    vm_print(to, "  %u mapping [0x%llx, 0x%llx) of %llu + 0x%llx, may 0x%x, ranges in %llu bytes%s\n", depth,
             (ull)region->base, (ull)end, (ull)mapping->source->object.koid, (ull)mapping->vmo_offset,
             region->flags, (ull)region_tree_bytes(&mapping->protections), region->alive ? "" : " dead");
    for (zx_vaddr_t va = region->base; va < end; va = part_end) {
        uint32_t perms = protection_range(mapping, va, &part_base, &part_end);
        vm_print(to, "    range [0x%llx, 0x%llx) perms %u\n", (ull)va, (ull)part_end, perms);
    }
}

static bool write_translation(void *context, const struct page_table_entry *entry)
{
    vm_print(context, "  translation 0x%llx -> frame 0x%llx, 0x%llx bytes, flags 0x%x%s%s\n", (ull)entry->va,
             frame_of(entry->paddr), (ull)entry->size, entry->flags, entry->accessed ? " accessed" : "",
             entry->dirty ? " dirty" : "");
    return true;
}

static void write_aspace(struct vm_sink *to, struct vm_aspace *aspace)
{
    struct region_walk walk;
    struct vm_region *region;

    vm_print(to, "space '%s' seed 0x%llx: %u references, %u sharers, %llu tables%s%s\n", aspace->name,
             (ull)aspace->seed, atomic_load(&aspace->refs), aspace->sharers, (ull)aspace->table.table_pages,
             aspace->always_need ? ", always needed" : "", aspace->destroyed ? ", destroyed" : "");
    if (aspace->root != NULL)
        write_vmar(to, aspace->root, 0);
    region_walk_start(&walk, aspace->root);
    while ((region = region_walk_next(&walk)) != NULL) {
        if (region->kind == VM_REGION_VMAR)
            write_vmar(to, vmar_of(region), walk.depth);
        else
            write_mapping(to, mapping_of(region), walk.depth);
    }
    if (aspace->table.root != 0)
        page_table_for_each(&aspace->table, aspace->table.base, aspace->table.size, write_translation, to);
}

/* ---- Objects ---- */

static uint64_t hash_of_page(const struct vm_page *page)
{
    const uint64_t *words = pmm_page_bytes(page);
    uint64_t hash = 0;

    for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ull;
        hash ^= hash >> 29;
    }
    return hash;
}

static void write_vmo(struct vm_sink *to, const struct vm_vmo *vmo)
{
    const struct vm_page *page;
    const struct vm_mapping *mapping;
    zx_koid_t parent;
    size_t children;

    vmo_family(vmo, &parent, &children);
    vm_print(to, "  vmo '%s' of 0x%llx bytes%s, %llu pages, child of %llu, %llu children\n", vmo->name,
             (ull)vmo->size, vmo->resizable ? ", resizable" : "", (ull)vmo->pages.count, (ull)parent,
             (ull)children);
    if (vmo_is_slice(vmo))
        vm_print(to, "  slice of %llu at 0x%llx\n", (ull)vmo->target->object.koid, (ull)vmo->window);
    for (uint64_t index = 0; (page = page_list_next(&vmo->pages, index, &index)) != NULL; index++)
        vm_print(to, "  page %llu of %llu: frame 0x%llx, state %u, pinned %u, %u sharers, bytes 0x%llx\n",
                 (ull)index, (ull)vmo->object.koid, frame_of(page->paddr), page->state, page->pin_count,
                 atomic_load(&page->sharers), (ull)hash_of_page(page));
    for (mapping = mapping_tree_first(&vmo->mappings, 0, UINT64_MAX, false); mapping != NULL;
         mapping = mapping_tree_next(mapping, 0, UINT64_MAX, false))
        vm_print(to, "  mapped at 0x%llx + 0x%llx in the space of root %llu\n", (ull)mapping->region.base,
                 (ull)mapping->region.size, (ull)mapping->region.aspace->root->object.koid);
}

static void write_object(struct vm_sink *to, struct vm_object *object)
{
    vm_print(to, "object %llu of type %u: %u references, %u handles\n", (ull)object->koid,
             (unsigned)object->type, atomic_load(&object->refs), object->handles);
    if (object->type == ZX_OBJ_TYPE_VMO) {
        write_vmo(to, container_of(object, struct vm_vmo, object));
    } else if (object->type == ZX_OBJ_TYPE_VMAR) {
        const struct vm_vmar *vmar = container_of(object, struct vm_vmar, object);
        if (!vmar->region.alive)
            write_vmar(to, vmar, 0);
    } else if (object->type == ZX_OBJ_TYPE_PROCESS) {
        const struct vm_process *process = container_of(object, struct vm_process, object);
        vm_print(to, "  process '%s'%s%s, %u threads started, %u run, returned %lld, signals 0x%x\n",
                 process->name, process->dead ? " dead" : "", process->hosted ? " hosted" : "",
                 process->started, process->running, (long long)process->return_code,
                 atomic_load(&process->signals));
    } else if (object->type == ZX_OBJ_TYPE_THREAD) {
        const struct vm_thread *thread = container_of(object, struct vm_thread, object);
        vm_print(to, "  thread '%s' of %llu, state %u, signals 0x%x\n", thread->name,
                 (ull)thread->process->object.koid, (unsigned)thread->state, atomic_load(&thread->signals));
    }
}

/* There may be 2^18: kept short. */
static void write_handles(struct vm_sink *to)
{
    const struct vm_handle *handle;

    for (uint64_t slot = 0; (handle = page_list_next(&vm_machine->handles, slot, &slot)) != NULL; slot++)
        vm_print(to, "handle %x rights %x to %u of %u\n", handle->serial, handle->rights,
                 handle->object != NULL ? (unsigned)handle->object->koid : 0,
                 (unsigned)handle->process->object.koid);
}

/* ---- Snapshots ---- */

struct snapshot snapshot_take(void)
{
    struct writer writer = {.sink = {writer_write}};

    if (vm_machine == NULL)
        return (struct snapshot){NULL, 0};
    write_counts(&writer.sink);
    list_for_each(node, &vm_machine->aspaces)
        write_aspace(&writer.sink, container_of(node, struct vm_aspace, node));
    list_for_each(node, &vm_machine->objects)
        write_object(&writer.sink, container_of(node, struct vm_object, node));
    write_handles(&writer.sink);
    return (struct snapshot){writer.text, writer.size};
}

void snapshot_release(struct snapshot *snapshot)
{
    free(snapshot->text);
    *snapshot = (struct snapshot){NULL, 0};
}

#define LINES_SHOWN 24

static void print_lines(char sign, const struct snapshot *snapshot, size_t from, size_t to)
{
    unsigned lines = 0;

    while (from < to) {
        const char *line = snapshot->text + from, *end = memchr(line, '\n', to - from);
        size_t length = end != NULL ? (size_t)(end - line) : to - from;
        if (++lines <= LINES_SHOWN)
            fprintf(stderr, "%c %.*s\n", sign, (int)length, line);
        from += length + 1;
    }
    if (lines > LINES_SHOWN)
        fprintf(stderr, "%c ... %u lines in all\n", sign, lines);
}

/* The lines between what both begin with and what both end with. */
static void print_difference(const struct snapshot *before, const struct snapshot *after)
{
    size_t least = before->size < after->size ? before->size : after->size, head = 0, tail = 0, line = 0;

    for (; head < least && before->text[head] == after->text[head]; head++)
        if (before->text[head] == '\n')
            line = head + 1;
    while (tail < least - line &&
           before->text[before->size - 1 - tail] == after->text[after->size - 1 - tail])
        tail++;
    while (tail > 0 && before->text[before->size - 1 - tail] != '\n')
        tail--;
    print_lines('-', before, line, before->size - tail);
    print_lines('+', after, line, after->size - tail);
}

bool snapshot_is_current(const struct snapshot *before)
{
    struct snapshot after = snapshot_take();
    bool same =
        before->size == after.size && (after.size == 0 || memcmp(before->text, after.text, after.size) == 0);

    if (!same)
        print_difference(before, &after);
    snapshot_release(&after);
    return same;
}
