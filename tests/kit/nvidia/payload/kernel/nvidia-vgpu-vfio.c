// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Part of a stand-in for tests; not NVIDIA's. */
#include <linux/init.h>
#include <linux/module.h>

int standin_loaded(void);

static int __init vfio_init(void)
{
	return standin_loaded() ? 0 : -ENODEV;
}

static void __exit vfio_exit(void)
{
}

module_init(vfio_init);
module_exit(vfio_exit);
MODULE_DESCRIPTION("stand-in for the vGPU half of a driver, for tests");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION(STANDIN_VERSION);
