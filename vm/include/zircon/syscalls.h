/* SPDX-License-Identifier: MIT */
/*
 * The calls that a program makes. Each answers with a status; a refused call changes nothing. Where several
 * things are wrong at once, the status is that of the first check in the order given at the call.
 *
 * Addresses and sizes are in bytes. Result pointers may not be null unless said otherwise. "Rounded up"
 * means to the page size. A result pointer is tried before it is used, by writing back what is there: while
 * a call runs its result is the call's, and its page has memory. A handle is looked up when the call begins:
 * closing it meanwhile does not disturb the call. WRONG_TYPE: the handle leads to another kind of object. A
 * VMAR is dead once it, or the process, was destroyed.
 *
 * All calls may be made from any thread at any time. Unless said otherwise a call is one step: of two calls
 * about the same objects one comes wholly before the other. What a call makes can be seen by others from then
 * on, even before the caller has been told of it. Accesses to memory go on meanwhile, and find each byte as
 * it was before the call or as it is afterwards. What a call takes away (a mapping, a permission, a page) is
 * gone on all processors when it returns.
 */
#ifndef ZIRCON_SYSCALLS_H_
#define ZIRCON_SYSCALLS_H_

#include <zircon/process.h>
#include <zircon/syscalls/object.h>
#include <zircon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- VMARs: parts of an address space ---- */

/*
 * Makes a child region of `size` bytes in `parent`, and a handle to it, with ZX_DEFAULT_VMAR_RIGHTS and READ,
 * WRITE, EXECUTE for each CAN_MAP_*. The child is there until it is destroyed, whether or not there are
 * handles to it, and has the parent's memory priority.
 * options:
 * CAN_MAP_READ, _WRITE, _EXECUTE: what may be mapped in it; CAN_MAP_SPECIFIC: whether places in it may be
 *   named, which a child may allow though the parent does not.
 * COMPACT: what is placed in it is kept close together: drawn from a smaller window.
 * SPECIFIC: at parent's base + `offset`. OFFSET_IS_UPPER_LIMIT: ends at or below that. With neither, `offset`
 *   is 0, and the place is drawn at random, each within a window being equally likely.
 * ZX_VM_ALIGN_*: the base is a multiple of that, and of the page size in any case.
 * Errors in order: BAD_HANDLE, WRONG_TYPE; ACCESS_DENIED the handle lacks a right that a CAN_MAP_* asks for;
 * INVALID_ARGS options that are not for this call, size unaligned; BAD_STATE parent dead; INVALID_ARGS size
 * 0; ACCESS_DENIED the parent lacks a CAN_MAP_*; INVALID_ARGS placement options, offset unaligned;
 * ACCESS_DENIED placing without CAN_MAP_SPECIFIC; INVALID_ARGS out of bounds; SPECIFIC: INVALID_ARGS
 * unaligned, ALREADY_EXISTS occupied; NO_MEMORY no place, no memory, no handle; INVALID_ARGS a result pointer
 * is bad.
 * Cost: logarithmic in the number of the parent's children; for an alignment above the page size also the gaps that
 * are large enough, and hold a multiple of it, but no place.
 */
zx_status_t zx_vmar_allocate(zx_handle_t parent, zx_vm_option_t options, size_t offset, size_t size,
                             zx_handle_t *child_vmar, zx_vaddr_t *child_addr);

/*
 * Maps `len` bytes (rounded up) of `vmo` from `vmo_offset` into `vmar`. The mapping keeps the VMO, whatever
 * becomes of the handles. It may reach past the VMO's end, now or when that shrinks: accesses there fault
 * with OUT_OF_RANGE.
 * options:
 * PERM_READ, _WRITE, _EXECUTE: what accesses are allowed; none is fine, WRITE or EXECUTE alone is not. What
 *   both handles' rights allow now bounds every later zx_vmar_protect. PERM_READ_IF_XOM_UNSUPPORTED is
 *   PERM_READ here.
 * SPECIFIC, OFFSET_IS_UPPER_LIMIT, ZX_VM_ALIGN_*: as in zx_vmar_allocate.
 * SPECIFIC_OVERWRITE: as SPECIFIC, and the mappings in the range are replaced in the same step; parts of them
 *   outside of it stay.
 * MAP_RANGE: enters the pages that the VMO has into the page tables, as far as there is memory for those.
 * REQUIRE_NON_RESIZABLE: refused where the VMO is resizable. ALLOW_FAULTS: says nothing here.
 * Errors in order: vmar BAD_HANDLE, WRONG_TYPE; vmo likewise; ACCESS_DENIED the VMO's handle lacks MAP;
 * INVALID_ARGS WRITE or EXECUTE without READ, MAP_RANGE with SPECIFIC_OVERWRITE, any
 * CAN_MAP_READ/WRITE/EXECUTE; ACCESS_DENIED a PERM_* that is not in both handles' rights; INVALID_ARGS
 * undefined bits, alignment byte, COMPACT, CAN_MAP_SPECIFIC; NOT_SUPPORTED REQUIRE_NON_RESIZABLE of a
 * resizable VMO; ACCESS_DENIED a PERM_* that the VMAR excludes; INVALID_ARGS vmo_offset unaligned;
 * OUT_OF_RANGE len or vmo_offset + len overflows; BAD_STATE vmar dead; INVALID_ARGS len 0; then placement as
 * in zx_vmar_allocate with NO_RESOURCES where no place exists; under SPECIFIC_OVERWRITE INVALID_ARGS where a
 * child VMAR is touched, ACCESS_DENIED where the vDSO's code is; ACCESS_DENIED an executable mapping of the vDSO
 * that is not exactly its code, or not the first in the space; NO_MEMORY; INVALID_ARGS bad result pointer.
 * Cost: logarithmic in the number of the VMAR's children; the mappings replaced; MAP_RANGE: the pages.
 */
zx_status_t zx_vmar_map(zx_handle_t vmar, zx_vm_option_t options, size_t vmar_offset, zx_handle_t vmo,
                        uint64_t vmo_offset, size_t len, zx_vaddr_t *mapped_addr);

/*
 * Removes the mappings of [addr, addr + len) and destroys the child VMARs wholly in it. len is rounded up. A
 * mapping that reaches out of the range loses the part within; gaps are fine, even nothing but gaps.
 * Errors in order: BAD_HANDLE, WRONG_TYPE; INVALID_ARGS addr unaligned, len 0; BAD_STATE dead; INVALID_ARGS
 * not within the VMAR; ACCESS_DENIED the vDSO's code in the range; INVALID_ARGS a child VMAR partly in the
 * range, or any in it without OP_CHILDREN; NO_MEMORY where a mapping is cut in two.
 * Cost: logarithmic in the number of the VMAR's children, plus the regions and the page tables in the range.
 */
zx_status_t zx_vmar_unmap(zx_handle_t vmar, zx_vaddr_t addr, size_t len);

/*
 * Changes the permissions of the mappings of [addr, addr + len), all or none. len is rounded up.
 * options: PERM_READ, _WRITE, _EXECUTE and no other; 0 is fine: every access faults until it is changed back.
 * A mapping in a child VMAR may lose permissions, not gain any.
 * Errors in order: BAD_HANDLE, WRONG_TYPE; ACCESS_DENIED the handle lacks a right for a PERM_*; INVALID_ARGS
 * WRITE or EXECUTE without READ, addr unaligned, other option bits, len 0; BAD_STATE dead; INVALID_ARGS not
 * within the VMAR; then in ascending order NOT_FOUND at a gap, ACCESS_DENIED more than the mapping was
 * created with, or the vDSO's code, INVALID_ARGS a child's mapping without OP_CHILDREN, ACCESS_DENIED a
 * child's mapping would gain a permission; NO_MEMORY.
 * Cost: logarithmic in the regions for each mapping, plus the page tables of the range.
 */
zx_status_t zx_vmar_protect(zx_handle_t vmar, zx_vm_option_t options, zx_vaddr_t addr, size_t len);

/*
 * Destroys the VMAR and all below it. Handles to destroyed VMARs stay valid; calls on the VMAR answer
 * BAD_STATE, but ZX_INFO_VMAR still tells where it was.
 * Errors in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED without OP_CHILDREN; NOT_SUPPORTED for a root;
 * BAD_STATE dead already; ACCESS_DENIED the vDSO's code is in it: nothing is destroyed.
 * Cost: the regions below it, and the page tables.
 */
zx_status_t zx_vmar_destroy(zx_handle_t vmar);

/*
 * Does something to the memory behind [address, address + size) (size is rounded up), which mappings must
 * cover without a gap. No right of the handle is asked for but OP_CHILDREN, where mappings of child VMARs are
 * in the range: what the mappings may ever become decides.
 * ZX_VMAR_OP_COMMIT: gives every page memory, all or none.
 * ZX_VMAR_OP_DECOMMIT: makes the range read as zero, and gives the memory back.
 * ZX_VMAR_OP_MAP_RANGE: enters the pages that have memory into the page tables, as far as there is memory for
 *   those, and leaves entries that are there.
 * ZX_VMAR_OP_DONT_NEED, ALWAYS_NEED: change no byte; after ALWAYS_NEED the whole address space is of high
 *   memory priority.
 * Errors in order: BAD_HANDLE, WRONG_TYPE; INVALID_ARGS unknown op, buffer or buffer_size not zero, size 0,
 * address unaligned; OUT_OF_RANGE not within the VMAR; BAD_STATE dead, or a gap in the range; then by
 * mapping, ascending: COMMIT and DECOMMIT: ACCESS_DENIED one that can never be writable, INVALID_ARGS one in
 * a child VMAR, ACCESS_DENIED the vDSO's code, NOT_SUPPORTED one of a physical VMO or (DECOMMIT) of a
 * contiguous one or a snapshot, BAD_STATE (DECOMMIT) pinned pages, OUT_OF_RANGE one that reaches past the
 * end of its VMO in the range; the other operations: INVALID_ARGS one in a child VMAR without OP_CHILDREN,
 * ACCESS_DENIED the vDSO's code; NO_MEMORY (COMMIT: a page that the range shows twice counts twice until all
 * is done).
 * It is one step for calls on the address space. Meanwhile another call may shrink a VMO, which is then
 * worked on as far as it reaches, or run out of memory in the same VMO, which can leave a part of it
 * committed.
 * Cost: logarithmic in the regions for each mapping, and the pages.
 */
zx_status_t zx_vmar_op_range(zx_handle_t handle, uint32_t op, zx_vaddr_t address, size_t size, void *buffer,
                             size_t buffer_size);

/* ---- VMOs: memory that can be mapped ---- */

/*
 * Makes a VMO of `size` bytes (rounded up; 0 is fine) of zeroes; memory is taken page by page when written.
 * The handle has ZX_DEFAULT_VMO_RIGHTS. The VMO is there as long as a handle or a mapping is.
 * options: ZX_VMO_RESIZABLE: its size may change (zx_vmo_set_size), and the handle has RESIZE too.
 * Errors in order: INVALID_ARGS unknown option; OUT_OF_RANGE size too large (above 2^64 less 64 pages);
 * NO_MEMORY; INVALID_ARGS bad result pointer.
 * Cost: O(1).
 */
zx_status_t zx_vmo_create(uint64_t size, uint32_t options, zx_handle_t *out);

/*
 * Makes a VMO from another: of `size` bytes (rounded up), about what the other has from `offset` on.
 * options: one kind of child, and what else it shall be.
 * ZX_VMO_CHILD_SNAPSHOT: as if the bytes were copied now: what either writes later the other does not see.
 *   Pages are shared until one of the two writes to them. Beyond the other's end there are zeroes.
 * ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE: the same here; programs may count on no more than that a page
 *   that the child wrote to stays as it is.
 * ZX_VMO_CHILD_SLICE: a window: whatever is done to the child is done to that part of the other.
 * ZX_VMO_CHILD_RESIZABLE: the child can be resized (no slice). ZX_VMO_CHILD_NO_WRITE: the handle lacks WRITE.
 * The new handle has the rights of the other's, but for RESIZE, which it has where the child is resizable;
 * it also has GET_PROPERTY and SET_PROPERTY and, unless NO_WRITE takes WRITE away, a snapshot's has WRITE and
 * lacks EXECUTE. The child begins with the other's name where the handle has GET_PROPERTY. The other may be
 * closed; ZX_INFO_VMO then names its own parent, if it had one, as the child's.
 * Errors in order: INVALID_ARGS NO_WRITE with RESIZABLE; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED without
 * DUPLICATE or READ; INVALID_ARGS not exactly one kind, SLICE with RESIZABLE, unknown option; a snapshot of a
 * contiguous VMO INVALID_ARGS, of a physical one NOT_SUPPORTED; INVALID_ARGS offset unaligned; OUT_OF_RANGE
 * size too large, or offset + size beyond 64 bits; slices: INVALID_ARGS not within the other, NOT_SUPPORTED
 * the other is resizable; snapshots: BAD_STATE pinned pages in the range; NO_MEMORY; INVALID_ARGS bad result
 * pointer.
 * Programs may write to the other while a snapshot is made: it shows one moment, between two such writes.
 * Cost: a snapshot: the pages that the other has in the range; a slice: O(1).
 */
zx_status_t zx_vmo_create_child(zx_handle_t handle, uint32_t options, uint64_t offset, uint64_t size,
                                zx_handle_t *out);

/*
 * Copies bytes out of or into a VMO. A size of 0 is fine within the VMO, whatever the buffer. All pages that
 * a write needs are made before the first byte is written.
 * Errors in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED without READ (WRITE); NOT_SUPPORTED a physical VMO;
 * OUT_OF_RANGE past the end; INVALID_ARGS bad buffer; NO_MEMORY (zx_vmo_write; nothing is then written).
 * Not one step: the bytes are moved a few hundred at a time, and other calls and accesses may come between.
 * Only what these do can end a copy halfway: shrink the VMO (OUT_OF_RANGE), unmap the buffer (INVALID_ARGS),
 * take pages away that the write had made, or share them with a snapshot, where there is no memory for
 * others (NO_MEMORY).
 * Cost: the bytes.
 */
zx_status_t zx_vmo_read(zx_handle_t handle, void *buffer, uint64_t offset, size_t buffer_size);
zx_status_t zx_vmo_write(zx_handle_t handle, const void *buffer, uint64_t offset, size_t buffer_size);

/*
 * Tells the size in bytes, a multiple of the page size. No right is asked for.
 * Errors in order: BAD_HANDLE, WRONG_TYPE; INVALID_ARGS bad result pointer.
 * Cost: O(1).
 */
zx_status_t zx_vmo_get_size(zx_handle_t handle, uint64_t *size);

/*
 * Sets the size (rounded up). Shrinking unmaps what is gone from every mapping and frees it; the bytes from
 * `size` to the end of its page become zero. Growing takes no memory.
 * Errors in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED without WRITE; UNAVAILABLE not resizable (whatever
 * the handle's rights: such a VMO's handles never have RESIZE); ACCESS_DENIED without RESIZE; OUT_OF_RANGE
 * too large; BAD_STATE a page that would go is pinned; NO_MEMORY where `size` ends within a shared page.
 * Cost: the pages that go, and a step in each mapping that shows some of them.
 */
zx_status_t zx_vmo_set_size(zx_handle_t handle, uint64_t size);

/*
 * Does something to [offset, offset + size) of a VMO.
 * ZX_VMO_OP_COMMIT (needs WRITE): gives every page that the range touches memory, all or none. Pages that a
 *   snapshot shares with others have no memory of their own: COMMIT gives it to them.
 * ZX_VMO_OP_DECOMMIT (WRITE): makes the range, whole pages, read as zero, and gives the memory back.
 * ZX_VMO_OP_ZERO (WRITE): makes the range, any bytes, read as zero; whole pages give their memory back.
 * ZX_VMO_OP_DONT_NEED, ALWAYS_NEED (no right): hints; nothing happens.
 * ZX_VMO_OP_CACHE_SYNC (READ): instructions fetched from now on are those that were written; CACHE_CLEAN,
 *   CACHE_CLEAN_INVALIDATE (READ), CACHE_INVALIDATE (WRITE): for devices that do not see the processors'
 *   caches. They change no byte.
 * Errors in order: BAD_HANDLE, WRONG_TYPE; INVALID_ARGS unknown op, buffer or buffer_size not zero;
 * ACCESS_DENIED; INVALID_ARGS a CACHE_ operation of size 0; NOT_SUPPORTED COMMIT, DECOMMIT, ZERO of a
 * physical VMO, DECOMMIT of a contiguous one; OUT_OF_RANGE not within the VMO; DECOMMIT: INVALID_ARGS
 * unaligned, NOT_SUPPORTED the VMO is a snapshot (and size is not 0), BAD_STATE pinned pages; NO_MEMORY
 * (COMMIT; ZERO where it ends within a shared page).
 * Cost: COMMIT: the pages of the range. DECOMMIT, ZERO: the pages that are there, and a step in each mapping
 * that shows some of them. CACHE_: the pages that are there.
 */
zx_status_t zx_vmo_op_range(zx_handle_t handle, uint32_t op, uint64_t offset, uint64_t size, void *buffer,
                            size_t buffer_size);

/*
 * Replaces a VMO's handle by one that has EXECUTE beside its rights; the old handle is closed where the
 * call succeeds, and valid still where it does not. vmex is ZX_HANDLE_INVALID: marking memory executable is
 * everybody's to do here.
 * Errors in order: BAD_HANDLE handle or vmex, or handle leads to no VMO; NO_MEMORY; INVALID_ARGS bad
 * result pointer.
 * Cost: O(1).
 */
zx_status_t zx_vmo_replace_as_executable(zx_handle_t handle, zx_handle_t vmex, zx_handle_t *out);

/* ---- Handles ---- */

/*
 * Closes a handle; ZX_HANDLE_INVALID is fine and does nothing. An object goes with its last handle, or with
 * what else keeps it: mappings keep VMOs, address spaces their VMARs. A process dies of its last handle, and
 * what it has goes one thing after the other.
 * Errors: BAD_HANDLE.
 * Cost: O(1), and what goes with it.
 */
zx_status_t zx_handle_close(zx_handle_t handle);

/*
 * Closes all that are valid, in order, one after the other; ZX_HANDLE_INVALID is fine. The whole array is
 * read before the first is closed, and read again as it is closed: it is the call's meanwhile.
 * Errors in order: INVALID_ARGS bad pointer, nothing is closed unless another thread made it bad; BAD_HANDLE
 * if any was not valid, as the second of two that are equal: the others are closed.
 */
zx_status_t zx_handle_close_many(const zx_handle_t *handles, size_t num_handles);

/*
 * Makes a second handle to the same object with `rights`, no more than the first has, or
 * ZX_RIGHT_SAME_RIGHTS.
 * Errors in order: BAD_HANDLE; ACCESS_DENIED without DUPLICATE; INVALID_ARGS rights that the handle has not;
 * NO_MEMORY; INVALID_ARGS bad result pointer.
 * Cost: O(1).
 */
zx_status_t zx_handle_duplicate(zx_handle_t handle, zx_rights_t rights, zx_handle_t *out);

/* As duplicate, without needing DUPLICATE, and the old handle is closed in the same step where the call
   succeeds; where it does not, that stays valid. */
zx_status_t zx_handle_replace(zx_handle_t handle, zx_rights_t rights, zx_handle_t *out);

/*
 * Tells something of the object behind a handle. Records are those of zircon/syscalls/object.h.
 * ZX_INFO_HANDLE_VALID: whether it is one; no record. Any handle.
 * ZX_INFO_HANDLE_BASIC: number and type of the object, rights of the handle. Any handle.
 * ZX_INFO_HANDLE_COUNT: how many handles lead to the object. Any handle with INSPECT.
 * ZX_INFO_PROCESS: whether it was started and has ended, and how. A process's, with INSPECT.
 * ZX_INFO_VMAR: where it is, or was. A VMAR's, with INSPECT.
 * ZX_INFO_VMO: size, memory, mappings, parent. A VMO's.
 * ZX_INFO_TASK_STATS: the memory that a process maps. A process's, with INSPECT.
 * ZX_INFO_PROCESS_MAPS: an array: the address space, its root VMAR, and what is in it, by address and parents
 *   first; parts of a mapping with different permissions have a record each. A process that has a restricted
 *   space beside a shared one has all this for both, the restricted one first. It copies what fits. A
 *   process's, with INSPECT.
 * ZX_INFO_KMEM_STATS: the machine's memory. Any handle with INSPECT.
 * actual (records copied) and avail (records there are) may be null.
 * Errors in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED; BAD_STATE the process is dead; BUFFER_TOO_SMALL
 * one record does not fit (actual and avail are told); INVALID_ARGS bad pointer; NOT_SUPPORTED unknown
 * topic (where the handle is one). Part of the answer may have been told by a call that is refused.
 * PROCESS_MAPS is not one step: other calls go on meanwhile, and what they change may be told or not. Figures
 * about several objects (TASK_STATS, KMEM_STATS, ZX_INFO_VMO) are exact where nothing changes meanwhile.
 * Cost: O(1); TASK_STATS: the pages that the process maps; PROCESS_MAPS: the regions, and those pages;
 * VMO: its mappings, and its pages where some are or were shared; HANDLE_COUNT of a process: its handles.
 */
zx_status_t zx_object_get_info(zx_handle_t handle, uint32_t topic, void *buffer, size_t buffer_size,
                               size_t *actual, size_t *avail);

/*
 * Tells or sets a property: ZX_PROP_NAME, of VMOs, processes, threads and the job. Telling gives all of
 * char[ZX_MAX_NAME_LEN], padded with zeroes; setting takes value_size bytes, up to the first NUL, cut at
 * 31.
 * Errors in order: BAD_HANDLE; ACCESS_DENIED without GET_PROPERTY (SET_PROPERTY); NOT_SUPPORTED unknown
 * property; WRONG_TYPE an object without a name; BUFFER_TOO_SMALL (telling) value_size below
 * ZX_MAX_NAME_LEN; INVALID_ARGS bad pointer.
 * Cost: O(1).
 */
zx_status_t zx_object_get_property(zx_handle_t handle, uint32_t property, void *value, size_t value_size);
zx_status_t zx_object_set_property(zx_handle_t handle, uint32_t property, const void *value,
                                   size_t value_size);

/* ---- Processes ---- */

/*
 * Makes a process: an address space and a table of handles. `job` is zx_job_default(), the machine's one job,
 * or ZX_HANDLE_INVALID, which means the same. The name is name_size bytes, up to the first NUL, cut at 31.
 * Gives a handle to the process (ZX_DEFAULT_PROCESS_RIGHTS) and one to its root VMAR. It dies when the last
 * handle to it is closed: then its regions and its own handles go.
 * options: ZX_PROCESS_SHARED: the space is the upper part of the user range, and other processes can share it
 * (zx_process_create_shared).
 * Errors in order: INVALID_ARGS unknown option, bad name pointer; job BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED
 * without MANAGE_PROCESS; NO_MEMORY; INVALID_ARGS bad result pointer.
 * Cost: O(1): a page of tables, with ZX_PROCESS_SHARED one for each 512 GiB of the space.
 */
zx_status_t zx_process_create(zx_handle_t job, const char *name, size_t name_size, uint32_t options,
                              zx_handle_t *proc_handle, zx_handle_t *vmar_handle);

/*
 * Makes a process that shares the space of `shared_proc`, which was made with ZX_PROCESS_SHARED or by this
 * call, and has a space of its own below it, its restricted one. What it does with its memory goes to either,
 * by the address. Gives a handle to the process and one to the root VMAR of its restricted space, which is
 * what zx_vmar_root_self answers in it. The shared space lives as long as any process that shares it.
 * Errors in order: INVALID_ARGS options not 0, bad name pointer; shared_proc BAD_HANDLE, WRONG_TYPE,
 * ACCESS_DENIED without MANAGE_PROCESS or GET_PROPERTY; INVALID_ARGS it shares nothing; BAD_STATE every
 * process that shared the space is dead; NO_MEMORY; INVALID_ARGS bad result pointer.
 * Cost: O(1): two pages of tables.
 */
zx_status_t zx_process_create_shared(zx_handle_t shared_proc, uint32_t options, const char *name,
                                     size_t name_size, zx_handle_t *proc_handle,
                                     zx_handle_t *restricted_vmar_handle);

/*
 * Starts the first thread of a process: it begins at `entry`, with that stack pointer, its first argument a
 * handle and its second arg2; all else is zero. The handle arg1 goes over to the process, where it has
 * another number; ZX_HANDLE_INVALID (0): none does. From then on the process lives as long as any of its
 * threads runs, whether or not there are handles to it; it dies when the last one has ended, with the return
 * code 0.
 * Errors in order: handle BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED without WRITE; thread BAD_HANDLE,
 * WRONG_TYPE, ACCESS_DENIED without WRITE; ACCESS_DENIED the thread is one of another process; arg1
 * BAD_HANDLE, ACCESS_DENIED without TRANSFER; INVALID_ARGS entry or stack no address of user space;
 * BAD_STATE the process was started before or is dead, the thread was started before; NO_MEMORY;
 * NOT_SUPPORTED the machine runs no programs. Refused, the caller keeps arg1.
 * Cost: O(1).
 */
zx_status_t zx_process_start(zx_handle_t handle, zx_handle_t thread, zx_vaddr_t entry, zx_vaddr_t stack,
                             zx_handle_t arg1, uintptr_t arg2);

/*
 * Copies bytes out of or into the memory of a process, through the VMOs behind its mappings: whatever
 * permissions these have. What a write needs is made first, all or none. *actual is short where memory ends
 * before buffer_size bytes: at a gap, past the end of a VMO, at a mapping of a physical one, (writing) at a
 * mapping of the vDSO, or where a process's restricted space meets the shared one.
 * Errors in order: INVALID_ARGS buffer null, buffer_size 0 or above 64 MiB; BAD_HANDLE, WRONG_TYPE,
 * ACCESS_DENIED without WRITE (reading: READ and WRITE); BAD_STATE the process is dead; NO_MEMORY there
 * is no such memory at vaddr; INVALID_ARGS bad buffer, or (writing) bad result pointer; NO_MEMORY; INVALID_ARGS
 * bad result pointer (reading).
 * Not one step: bytes are moved a few hundred at a time. What other calls unmap or cut off meanwhile makes
 * *actual short; a buffer that goes bad meanwhile is INVALID_ARGS, with the bytes before it moved.
 * Cost: the bytes; a search per level of VMARs for each few hundred of them.
 */
zx_status_t zx_process_read_memory(zx_handle_t handle, zx_vaddr_t vaddr, void *buffer, size_t buffer_size,
                                   size_t *actual);
zx_status_t zx_process_write_memory(zx_handle_t handle, zx_vaddr_t vaddr, const void *buffer,
                                    size_t buffer_size, size_t *actual);

/*
 * Ends the calling process: its threads run no more, its regions and handles go, and the call does not
 * return. ZX_INFO_PROCESS tells `retcode`. Where the process is the host's own program, that ends with it
 * (as far as the host's exit status can hold it).
 */
void zx_process_exit(int64_t retcode) __attribute__((__noreturn__));

/*
 * Ends a process, as zx_process_exit does from within; its return code is ZX_TASK_RETCODE_SYSCALL_KILL. Does
 * not return where that is the calling one. Its threads may run for a moment longer: ZX_PROCESS_TERMINATED
 * tells when none does. One that is dead already stays as it is: OK.
 * Errors in order: BAD_HANDLE; ACCESS_DENIED without DESTROY; WRONG_TYPE neither a process nor a job;
 * NOT_SUPPORTED a job: the machine's one job ends with the machine.
 * Cost: what the process has.
 */
zx_status_t zx_task_kill(zx_handle_t handle);

/* ---- Threads ---- */

/*
 * Makes a thread of a process, which does not run yet, and a handle to it (ZX_DEFAULT_THREAD_RIGHTS). The
 * name is name_size bytes, up to the first NUL, cut at 31. Threads that were never started go with their
 * last handle, or die with the process; those that run do so whether or not there are handles to them.
 * Errors in order: INVALID_ARGS options not 0, bad name pointer; process BAD_HANDLE, WRONG_TYPE,
 * ACCESS_DENIED without MANAGE_THREAD; BAD_STATE the process is dead; NO_MEMORY; INVALID_ARGS bad result
 * pointer.
 * Cost: O(1).
 */
zx_status_t zx_thread_create(zx_handle_t process, const char *name, size_t name_size, uint32_t options,
                             zx_handle_t *out);

/*
 * Starts a further thread of a process that was started: it begins at `entry`, with that stack pointer and
 * those two arguments; all else is zero.
 * Errors in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED without MANAGE_THREAD; INVALID_ARGS entry or stack
 * no address of user space; BAD_STATE the thread was started before, the process was not, or is dead;
 * NO_MEMORY; NOT_SUPPORTED the machine runs no programs.
 * Cost: O(1).
 */
zx_status_t zx_thread_start(zx_handle_t handle, zx_vaddr_t entry, zx_vaddr_t stack, uintptr_t arg1,
                            uintptr_t arg2);

/* Ends the calling thread, and its process where it is the last one that runs. Does not return. In a program of the host the
   calling thread of the host ends. */
void zx_thread_exit(void) __attribute__((__noreturn__));

/* ---- Waiting, time ---- */

/*
 * Waits until the object asserts one of `signals`, or the deadline has passed (ZX_TIME_INFINITE: never
 * does). *observed (may be null) is then all that it asserts, in both cases. ZX_TASK_TERMINATED: of a
 * process: it is dead, what it had is gone, and none of its threads runs; of a thread: it runs no more, and
 * never will. ZX_THREAD_RUNNING: it was started. A handle that is closed meanwhile does not end the wait.
 * Errors in order: BAD_HANDLE; ACCESS_DENIED without WAIT; NOT_SUPPORTED neither a process nor a thread;
 * INVALID_ARGS bad result pointer; TIMED_OUT; CANCELED the calling process is dead.
 * Not one step. Cost: O(1), beside the waiting.
 */
zx_status_t zx_object_wait_one(zx_handle_t handle, zx_signals_t signals, zx_time_t deadline,
                               zx_signals_t *observed);

/* Returns when the deadline has passed; at once where it had already. CANCELED: the calling process is dead. */
zx_status_t zx_nanosleep(zx_time_t deadline);

/* Nanoseconds since the machine's host started; never less than what was told before. */
zx_time_t zx_clock_get_monotonic(void);

/* ---- System ---- */

/* Bytes of a page: ZX_PAGE_SIZE. */
uint32_t zx_system_get_page_size(void);
/* Bytes of physical memory; 0 where no machine is started. */
uint64_t zx_system_get_physmem(void);

/* Fills the buffer with random bytes from the machine's ChaCha20 stream. A buffer that cannot be written is
   filled as far as it can be. Threads that draw at once get different bytes. Cost: the bytes. */
void zx_cprng_draw(void *buffer, size_t buffer_size);

/* Time since some moment, in the machine's own units; never less than what was told before. This and
   zx_clock_get_monotonic are the calls whose answers differ from run to run. */
zx_ticks_t zx_ticks_get(void);
/* How many of these are a second; always the same. */
zx_ticks_t zx_ticks_per_second(void);

/* Writes text, at most 256 bytes of it, to the machine's log. Errors: INVALID_ARGS bad pointer, nothing is
   written. */
zx_status_t zx_debug_write(const char *buffer, size_t buffer_size);

#ifdef __cplusplus
}
#endif

#endif /* ZIRCON_SYSCALLS_H_ */
