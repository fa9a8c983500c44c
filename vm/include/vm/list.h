/* SPDX-License-Identifier: MIT */
/* Circular doubly linked lists with the links inside the members. A head is a node that stands for no member. */
#ifndef VM_LIST_H_
#define VM_LIST_H_

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *prev, *next; /* both null: on no list */
};

/* The structure of type `type` whose field `field` is *node. */
#define container_of(node, type, field) ((type *)(void *)((char *)(node)-offsetof(type, field)))

static inline void list_init(struct list_node *head)
{
    head->prev = head->next = head;
}

static inline bool list_is_empty(const struct list_node *head)
{
    return head->next == head;
}

static inline bool list_is_linked(const struct list_node *node)
{
    return node->next != NULL;
}

static inline void list_insert_before(struct list_node *at, struct list_node *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

static inline void list_add_tail(struct list_node *head, struct list_node *node)
{
    list_insert_before(head, node);
}

static inline void list_add_head(struct list_node *head, struct list_node *node)
{
    list_insert_before(head->next, node);
}

static inline void list_remove(struct list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
}

/* Takes the first member off; null when there is none. */
static inline struct list_node *list_pop_head(struct list_node *head)
{
    struct list_node *node = head->next;
    if (node == head)
        return NULL;
    list_remove(node);
    return node;
}

#define list_for_each(node, head)                                                                            \
    for (struct list_node *node = (head)->next; node != (head); node = node->next)

#endif /* VM_LIST_H_ */
