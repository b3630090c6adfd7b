// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Part of a stand-in for tests; not NVIDIA's. It binds to NVIDIA's GPUs and to their virtual functions,
 * and offers the files through which Proxmox VE creates vGPUs. It drives no hardware.
 *
 * As with NVIDIA's driver, `nvidia/creatable_vgpu_types` of a virtual function has lines `ID : NAME`,
 * and `nvidia/current_vgpu_type` takes such an id, or 0 (README of NVIDIA/vgpu-device-manager). The
 * types are unknown until nvidia-vgpud has announced them. */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>

static bool unlocked;
module_param(unlocked, bool, 0444);
MODULE_PARM_DESC(unlocked, "whether the stand-in was told that it is unlocked");

/* Lines `DEVICE ID : NAME`, separated by `;`, as nvidia-vgpud writes them. */
static char types[1024];
module_param_string(vgpu_types, types, sizeof(types), 0644);
MODULE_PARM_DESC(vgpu_types, "vGPU types of nvidia-vgpud");

static DEFINE_MUTEX(lock);

struct vgpu {
	unsigned int type;
};

/* Calls `each` with every type of a device, until it returns nonzero. */
static int for_types(struct pci_dev *dev, int (*each)(unsigned int id, const char *name, int len, void *to),
		     void *to)
{
	const char *at = types;
	int result = 0;

	kernel_param_lock(THIS_MODULE);
	while (*at && !result) {
		int len = strcspn(at, ";\n"), used = 0;
		unsigned int device, id;

		if (sscanf(at, "%x %u : %n", &device, &id, &used) == 2 && used && used <= len &&
		    device == dev->device)
			result = each(id, at + used, len - used, to);
		at += len;
		at += strspn(at, ";\n");
	}
	kernel_param_unlock(THIS_MODULE);
	return result;
}

struct page_end {
	char *page;
	int len;
};

static int print_type(unsigned int id, const char *name, int len, void *to)
{
	struct page_end *end = to;

	end->len += scnprintf(end->page + end->len, PAGE_SIZE - end->len, "%u : %.*s\n", id, len, name);
	return 0;
}

static int is_type(unsigned int id, const char *name, int len, void *to)
{
	return id == *(unsigned int *)to;
}

static ssize_t creatable_vgpu_types_show(struct device *device, struct device_attribute *attr, char *page)
{
	struct vgpu *vgpu = dev_get_drvdata(device);
	struct page_end end = { page, 0 };

	mutex_lock(&lock);
	if (!vgpu->type)
		for_types(to_pci_dev(device), print_type, &end);
	mutex_unlock(&lock);
	return end.len;
}
static DEVICE_ATTR_RO(creatable_vgpu_types);

static ssize_t current_vgpu_type_show(struct device *device, struct device_attribute *attr, char *page)
{
	struct vgpu *vgpu = dev_get_drvdata(device);

	return scnprintf(page, PAGE_SIZE, "%u\n", vgpu->type);
}

static ssize_t current_vgpu_type_store(struct device *device, struct device_attribute *attr, const char *text,
				       size_t len)
{
	struct vgpu *vgpu = dev_get_drvdata(device);
	unsigned int type;
	int result = kstrtouint(text, 10, &type);

	if (result)
		return result;
	mutex_lock(&lock);
	if (type && (vgpu->type || !for_types(to_pci_dev(device), is_type, &type)))
		result = -EINVAL;
	else
		vgpu->type = type;
	mutex_unlock(&lock);
	return result ? result : len;
}
static DEVICE_ATTR_RW(current_vgpu_type);

static struct attribute *vgpu_attributes[] = {
	&dev_attr_creatable_vgpu_types.attr,
	&dev_attr_current_vgpu_type.attr,
	NULL,
};

static const struct attribute_group vgpu_group = {
	.name = "nvidia",
	.attrs = vgpu_attributes,
};

static int standin_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	struct vgpu *vgpu = devm_kzalloc(&dev->dev, sizeof(*vgpu), GFP_KERNEL);
	int result;

	if (!vgpu)
		return -ENOMEM;
	pci_set_drvdata(dev, vgpu);
	result = pcim_enable_device(dev);
	if (!result && dev->is_virtfn)
		result = sysfs_create_group(&dev->dev.kobj, &vgpu_group);
	return result;
}

static void standin_remove(struct pci_dev *dev)
{
	if (dev->is_virtfn)
		sysfs_remove_group(&dev->dev.kobj, &vgpu_group);
	else
		pci_disable_sriov(dev);
}

static int standin_sriov_configure(struct pci_dev *dev, int functions)
{
	int result = 0;

	if (functions)
		result = pci_enable_sriov(dev, functions);
	else
		pci_disable_sriov(dev);
	return result ? result : functions;
}

static const struct pci_device_id standin_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_NVIDIA, PCI_ANY_ID), .class = PCI_BASE_CLASS_DISPLAY << 16, .class_mask = 0xff << 16 },
	{ }
};
MODULE_DEVICE_TABLE(pci, standin_ids);

static struct pci_driver standin_driver = {
	.name = "nvidia",
	.id_table = standin_ids,
	.probe = standin_probe,
	.remove = standin_remove,
	.sriov_configure = standin_sriov_configure,
};

int standin_loaded(void)
{
	return 1;
}
EXPORT_SYMBOL_GPL(standin_loaded);

static int __init standin_init(void)
{
	pr_info("stand-in %s loaded, blob %s\n", STANDIN_VERSION, STANDIN_BLOB);
	return pci_register_driver(&standin_driver);
}

static void __exit standin_exit(void)
{
	pci_unregister_driver(&standin_driver);
	pr_info("stand-in %s unloaded\n", STANDIN_VERSION);
}

module_init(standin_init);
module_exit(standin_exit);
MODULE_DESCRIPTION("stand-in for a driver, for tests");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION(STANDIN_VERSION);
MODULE_INFO(blob, STANDIN_BLOB);
