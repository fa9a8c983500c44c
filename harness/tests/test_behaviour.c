/* SPDX-License-Identifier: MIT */
/* test_behaviour.c: the behaviour suites on the host: test_behaviour [SUITE...], by default all. */
#include "../behaviour/behaviour.h"
#include "../conformance/host.h"
#include "../host_port.h"
#include "../processor.h"

static zx_status_t access_byte(struct vm_aspace *aspace, zx_vaddr_t va, char *byte,
                               enum behaviour_access kind, uint32_t ring)
{
    static const uint32_t kinds[] = {PROCESSOR_READ, PROCESSOR_WRITE, PROCESSOR_EXECUTE};
    size_t done;
    return processor_access(aspace, va, byte, 1, kinds[kind] | ring, &done);
}

zx_status_t behaviour_user(struct vm_aspace *aspace, zx_vaddr_t va, char *byte, enum behaviour_access kind)
{
    return access_byte(aspace, va, byte, kind, 0);
}

zx_status_t behaviour_kernel(struct vm_aspace *aspace, zx_vaddr_t va, char *byte, enum behaviour_access kind)
{
    return access_byte(aspace, va, byte, kind, PROCESSOR_SUPERVISOR);
}

struct pmm_range behaviour_device(void)
{
    static struct pmm_range device;
    if (device.size == 0)
        device = host_memory_map((size_t)4 << 20);
    host_memory_zero(device);
    return device;
}

bool behaviour_asserts(void (*function)(void *context), void *context)
{
    return asserts_in_a_copy(function, context);
}

int main(int argc, char **argv)
{
    return run_suites(behaviour_suites, argc, argv);
}
