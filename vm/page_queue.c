/* SPDX-License-Identifier: MIT */
/*
 * page_queue.c: the pages of VMOs by the time since they were last found in use.
 *
 * Concept. Whoever is short of memory takes the pages that were not used for longest. What processors use
 * they note in page tables, and a harvest (harvest.c) reads these notes now and then. Between two harvests
 * nothing is known, so time is counted in harvests: each begins a new generation of pages.
 *
 * Structure. A queue for each age, the last one for all that are older. A new generation turns the queues by
 * one: whole lists move, however many pages there are, and the two oldest become one. A page does not know
 * its queue but the generation that saw it last (vm_page.seen), which stays true while the queues turn; its
 * age is the difference to the present one.
 *
 * Invariants (page_queue_check). A page in state OBJECT that a VMO holds is on exactly one queue, that of its
 * age, and marked so; no other page is. The counts are exact. A generation takes 32 bits: they last for a
 * century of one harvest a second.
 *
 * Locking. The queues' own lock (PORT_LOCK_PAGE_QUEUE), below those of VMOs and page tables, guards queues,
 * marks and `seen`. So a page found by way of a translation can be asked whether it is on a queue, whatever
 * it is: a physical VMO may show any page of the machine.
 *
 * Cost. O(1) each; a new generation: O(ages).
 */
#include "internal.h"

/* ---- The queues ---- */

void page_queue_start(struct page_queue *queue)
{
    port_mutex_init(&queue->lock, PORT_LOCK_PAGE_QUEUE);
    for (unsigned age = 0; age < VM_PAGE_AGES; age++)
        list_init(&queue->pages[age]);
}

static unsigned age_locked(const struct page_queue *queue, const struct vm_page *page)
{
    uint32_t age = queue->generation - page->seen;

    return age < VM_PAGE_AGES - 1 ? age : VM_PAGE_AGES - 1;
}

static void put_youngest_locked(struct page_queue *queue, struct vm_page *page)
{
    page->seen = queue->generation;
    queue->counts[0]++;
    list_add_tail(&queue->pages[0], &page->node);
}

static void take_out_locked(struct page_queue *queue, struct vm_page *page)
{
    queue->counts[age_locked(queue, page)]--;
    list_remove(&page->node);
}

void page_queue_add(struct vm_page *page)
{
    struct page_queue *queue = &vm_machine->page_queue;

    port_mutex_lock(&queue->lock);
    VM_ASSERT((page->marks & PAGE_MARK_QUEUED) == 0 && !list_is_linked(&page->node));
    page->marks |= PAGE_MARK_QUEUED;
    put_youngest_locked(queue, page);
    port_mutex_unlock(&queue->lock);
}

void page_queue_remove(struct vm_page *page)
{
    struct page_queue *queue = &vm_machine->page_queue;

    port_mutex_lock(&queue->lock);
    VM_ASSERT((page->marks & PAGE_MARK_QUEUED) != 0);
    page->marks &= (uint8_t)~PAGE_MARK_QUEUED;
    take_out_locked(queue, page);
    port_mutex_unlock(&queue->lock);
}

void page_queue_use(struct vm_page *const *pages, size_t count)
{
    struct page_queue *queue = &vm_machine->page_queue;

    if (count == 0)
        return;
    port_mutex_lock(&queue->lock);
    for (size_t i = 0; i < count; i++) {
        if ((pages[i]->marks & PAGE_MARK_QUEUED) == 0 || pages[i]->seen == queue->generation)
            continue;
        take_out_locked(queue, pages[i]);
        put_youngest_locked(queue, pages[i]);
    }
    port_mutex_unlock(&queue->lock);
}

/* Puts the members of `from`, which becomes empty, behind those of `to`. */
static void append_list(struct list_node *to, struct list_node *from)
{
    if (list_is_empty(from))
        return;
    to->prev->next = from->next;
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

void page_queue_turn(void)
{
    struct page_queue *queue = &vm_machine->page_queue;

    port_mutex_lock(&queue->lock);
    queue->generation++;
    for (unsigned age = VM_PAGE_AGES - 1; age > 0; age--) {
        append_list(&queue->pages[age], &queue->pages[age - 1]);
        queue->counts[age] += queue->counts[age - 1];
        queue->counts[age - 1] = 0;
    }
    port_mutex_unlock(&queue->lock);
}

/* ---- Looking ---- */

void vm_page_queue_counts(uint64_t counts[static VM_PAGE_AGES])
{
    struct page_queue *queue = &vm_machine->page_queue;

    port_mutex_lock(&queue->lock);
    for (unsigned age = 0; age < VM_PAGE_AGES; age++)
        counts[age] = queue->counts[age];
    port_mutex_unlock(&queue->lock);
}

unsigned vm_page_age(const struct vm_page *page)
{
    struct page_queue *queue = &vm_machine->page_queue;

    port_mutex_lock(&queue->lock);
    VM_ASSERT((page->marks & PAGE_MARK_QUEUED) != 0);
    unsigned age = age_locked(queue, page);
    port_mutex_unlock(&queue->lock);
    return age;
}

/* ---- Check ---- */

static const char *fault_of_locked(const struct page_queue *queue, const struct vm_page *page, unsigned age)
{
    if (page->state != VM_PAGE_OBJECT || (page->marks & PAGE_MARK_QUEUED) == 0)
        return "is no page of a VMO, or not marked";
    if (page->seen > queue->generation)
        return "was seen in a generation to come";
    return age_locked(queue, page) != age ? "is of another age" : NULL;
}

static bool check_queue_locked(struct page_queue *queue, unsigned age, struct vm_sink *report)
{
    uint64_t count = 0;

    list_for_each(node, &queue->pages[age])
    {
        const struct vm_page *page = container_of(node, struct vm_page, node);
        const char *fault = pmm_page_at(page->paddr) != page || node->next->prev != node
                                ? "breaks the list"
                                : fault_of_locked(queue, page, age);
        if (fault != NULL || ++count > queue->counts[age]) {
            vm_print(report, "page queue %u: its member %llu, page 0x%llx, %s\n", age,
                     (unsigned long long)count, (unsigned long long)page->paddr,
                     fault != NULL ? fault : "is one too many");
            return false;
        }
    }
    if (count != queue->counts[age])
        vm_print(report, "page queue %u: %llu pages, the count says %llu\n", age, (unsigned long long)count,
                 (unsigned long long)queue->counts[age]);
    return count == queue->counts[age];
}

bool page_queue_check(uint64_t *pages, struct vm_sink *report)
{
    struct page_queue *queue = &vm_machine->page_queue;
    bool sound = true;

    *pages = 0;
    port_mutex_lock(&queue->lock);
    for (unsigned age = 0; age < VM_PAGE_AGES; age++) {
        sound = check_queue_locked(queue, age, report) && sound;
        *pages += queue->counts[age];
    }
    port_mutex_unlock(&queue->lock);
    return sound;
}
