/* SPDX-License-Identifier: MIT */
/* fw_cfg.h: words that QEMU's command line has for us: -fw_cfg name=opt/zvm/options,string="…". */
#ifndef KERNEL_FW_CFG_H_
#define KERNEL_FW_CFG_H_

#include <stddef.h>

/* Copies the words (cut to size - 1, terminated); empty where there are none, or no QEMU. */
void fw_cfg_read_options(char *to, size_t size);

#endif /* KERNEL_FW_CFG_H_ */
