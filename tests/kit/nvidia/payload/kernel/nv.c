// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Part of a stand-in for tests; not NVIDIA's. It registers nothing and drives nothing. */
#include <linux/init.h>
#include <linux/module.h>

static bool unlocked;
module_param(unlocked, bool, 0444);
MODULE_PARM_DESC(unlocked, "whether the stand-in was told that it is unlocked");

int standin_loaded(void)
{
	return 1;
}
EXPORT_SYMBOL_GPL(standin_loaded);

static int __init standin_init(void)
{
	pr_info("stand-in %s loaded, blob %s\n", STANDIN_VERSION, STANDIN_BLOB);
	return 0;
}

static void __exit standin_exit(void)
{
	pr_info("stand-in %s unloaded\n", STANDIN_VERSION);
}

module_init(standin_init);
module_exit(standin_exit);
MODULE_DESCRIPTION("stand-in for a driver, for tests");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION(STANDIN_VERSION);
MODULE_INFO(blob, STANDIN_BLOB);
