use super::*;
use crate::catalog::DriverVersion;

const TEXT: &str = "\
[profile.nvidia-259]
cuda_enabled = 1
framebuffer = 939524096
framebuffer_reservation = 134217728
frl_enabled = 0
vgpu_type = \"NVS\"

[vm.100]
num_displays = 1

";

#[test]
fn what_is_written_is_what_was_read() {
    let overrides: ProfileOverrides = toml::from_str(TEXT).unwrap();
    let again: ProfileOverrides = toml::from_str(&overrides.to_toml()).unwrap();
    assert_eq!(again, overrides);
    assert_eq!(overrides.to_toml(), TEXT);
    let json = serde_json::to_string(&overrides).unwrap();
    assert_eq!(serde_json::from_str::<ProfileOverrides>(&json).unwrap(), overrides);
}

#[test]
fn what_vgpu_unlock_would_choke_on_is_refused() {
    for (good, bad) in [
        ("nvidia-259", "nvidia-"),
        ("nvidia-259", "'nvidia-259\\n'"),
        ("cuda_enabled = 1", "cuda_enabled = true"),
        ("cuda_enabled = 1", "cuda_enabled = -1"),
        ("cuda_enabled = 1", "cuda_enabled = 4294967296"),
        ("cuda_enabled", "cudaEnabled"),
        ("\"NVS\"", "\"N\\\"S\""),
        ("\"NVS\"", "7"),
        ("vm.100", "vm.x"),
        ("vm.100", "vm.0100"),
        ("nvidia-259", "nvidia-0259"),
        ("939524096", "70368744177664"),
        ("939524096", "'64 TiB'"),
        ("939524096", "-1"),
        ("939524096", "'1 GIB'"),
        ("profile.", "profiles."),
    ] {
        assert!(TEXT.contains(good), "{good}");
        let text = TEXT.replacen(good, bad, 1);
        assert!(toml::from_str::<ProfileOverrides>(&text).is_err(), "{text}");
    }
}

fn with(field: &str, value: &str) -> Result<ProfileOverrides, toml::de::Error> {
    toml::from_str(&format!("[profile.nvidia-259]\n{field} = \"{value}\"\n"))
}

#[test]
fn texts_have_the_length_that_the_driver_holds() {
    for (field, limit) in [
        ("card_name", 63),
        ("vgpu_type", 63),
        ("adapter_name", 63),
        ("short_gpu_name", 63),
        ("features", 127),
        ("license_type", 127),
    ] {
        assert!(with(field, &"x".repeat(limit)).is_ok(), "{field}");
        let error = with(field, &"x".repeat(limit + 1)).unwrap_err().to_string();
        assert!(error.contains(&format!("at most {limit} bytes")), "{error}");
    }
    let features = "Quadro-Virtual-DWS,5.0;GRID-Virtual-WS,2.0;GRID-Virtual-WS-Ext,2.0";
    assert!(with("features", features).unwrap().to_toml().contains(features));

    let old: DriverVersion = "570.211.01".parse().unwrap();
    let new: DriverVersion = "580.82.02".parse().unwrap();
    for (field, len, fits_old) in [
        ("card_name", 31, true),
        ("card_name", 32, false),
        ("vgpu_type", 31, true),
        ("vgpu_type", 41, false),
        ("adapter_name", 63, true),
    ] {
        let overrides = with(field, &"x".repeat(len)).unwrap();
        assert_eq!(overrides.too_long(&new), None);
        let told = overrides.too_long(&old).map(|it| it.to_string());
        assert_eq!(told.is_none(), fits_old, "{told:?}");
        assert!(told.is_none_or(|it| it.starts_with(&format!(
            "`{field}` in `[profile.nvidia-259]` has {len} bytes, but a driver up to vGPU 18.x holds 31"
        ))));
    }
}

#[test]
fn sizes_are_those_of_the_library() {
    for (text, bytes) in [
        ("1856 MiB", 1856_u64 << 20),
        ("1.5GiB", 3 << 29),
        ("2 GB", 2_000_000_000),
        ("0.25 kB", 250),
        (" 4096 ", 4096),
        ("1 TiB", 1 << 40),
    ] {
        let told = with("framebuffer", text).unwrap().to_toml();
        assert_eq!(told, format!("[profile.nvidia-259]\nframebuffer = {bytes}\n\n"));
    }
    for bad in ["", "GiB", "1 gib", "1..5 GiB", "-1 GiB", "1,5 GiB", "99999999999999999999 TiB"] {
        assert!(with("framebuffer", bad).is_err(), "{bad}");
    }
}

#[test]
fn flags_above_one_are_named() {
    let text = "[vm.100]\nfrl_enabled = 60\ncuda_enabled = 1\n";
    let overrides: ProfileOverrides = toml::from_str(text).unwrap();
    let told = overrides.clamped();
    assert_eq!(told, ["`frl_enabled = 60` in `[vm.100]` means 1: `vgpu_unlock` clamps it"]);
}

#[test]
fn the_configuration_has_the_keys_of_the_library() {
    let text = "unlock_migration = true\n\n[pci_info_map.\"0x2204\"]\n\
        device_id = 0x2230\nsub_system_id = 0x0000\n";
    let config: UnlockConfig = toml::from_str(text).unwrap();
    assert_eq!(config.to_toml(true), format!("unlock = true\n{text}"));
    assert_eq!(UnlockConfig::default().to_toml(false), "unlock = false\n");
    for (good, bad) in [
        ("0x2204", "2204"),
        ("0x2204", "0X2204"),
        ("0x2204", "0x220G"),
        ("0x2230", "0x12230"),
        ("unlock_migration", "unlock"),
        ("sub_system_id", "subsystem_id"),
    ] {
        let text = text.replacen(good, bad, 1);
        assert!(toml::from_str::<UnlockConfig>(&text).is_err(), "{text}");
    }
}
