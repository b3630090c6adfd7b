use std::sync::LazyLock;

use proptest::prelude::*;
use rusqlite::{Connection, MAIN_DB};

use super::{DriverConfig, read, read_configs, write};
use crate::catalog::{Catalog, DeviceId};
use crate::driver::{GpuSupport, Resolution, SupportedType, VgpuConfig, VgpuType};

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| write(&Catalog::embedded(), &[]).unwrap());

fn message(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

/// Returns the catalog after running `sql` on it.
fn after(sql: &str) -> Vec<u8> {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.deserialize_read_exact(MAIN_DB, &**BYTES, BYTES.len(), false).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.serialize(MAIN_DB).unwrap().to_vec()
}

#[test]
fn a_catalog_reads_back_as_it_was_written() {
    let embedded = Catalog::embedded();
    assert_eq!(read(&BYTES).unwrap().rows(), embedded.rows());
    assert_eq!(after("PRAGMA user_version"), *BYTES);
}

#[test]
fn equal_catalogs_are_equal_bytes_and_small() {
    let again = std::thread::spawn(|| write(&Catalog::embedded(), &[]).unwrap()).join().unwrap();
    assert!(again == *BYTES);
    assert!(BYTES.len() <= 1 << 20, "{} bytes", BYTES.len());
    assert_eq!(BYTES.len() % 4096, 0);
}

#[test]
fn another_file_is_refused_with_its_kind() {
    assert!(message(b"").contains("shorter than the header"));
    assert!(message(&[0; 4096]).contains("not a SQLite file"));
    assert!(message(&after("PRAGMA application_id = 1")).contains("another program"));
    let newer = message(&after("PRAGMA user_version = 5"));
    assert!(newer.contains("schema 5") && newer.contains("came with the bundle"), "{newer}");
    let mut log = BYTES.clone();
    log[18] = 2;
    assert!(message(&log).contains("write-ahead log"));
    assert!(message(&vec![0; 1 + (16 << 20)]).contains("16777217 bytes"));
}

#[test]
fn another_schema_is_refused() {
    for sql in [
        "CREATE TABLE more (a)",
        "DROP VIEW gpu_evidence",
        "CREATE TRIGGER t AFTER DELETE ON rules BEGIN DELETE FROM rules; END",
        "CREATE INDEX i ON gpus (json)",
        "ALTER TABLE reasons ADD COLUMN more",
    ] {
        assert!(message(&after(sql)).contains("tables are not those"), "{sql}");
    }
}

#[test]
fn rows_are_validated_each_and_together() {
    let chain = |sql: &str| {
        let error = read(&after(sql)).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    for (sql, says) in [
        ("UPDATE drivers SET json = replace(json, '\"md5\":\"', '\"md5\":\"0')", "is not an MD5"),
        ("UPDATE gpus SET json = x'07' WHERE id = '1e07'", "Invalid type"),
        ("UPDATE gpus SET json = json || ' ]' WHERE id = '1e07'", "trailing characters"),
        ("UPDATE gpus SET json = '[\"1e07\"]' WHERE id = '1e07'", "expected an object"),
        ("UPDATE gpus SET json = json_set(json, '$.more', 1) WHERE id = '1e07'", "unknown field"),
        ("UPDATE gpus SET json = json_remove(json, '$.name') WHERE id = '1e07'", "field `name`"),
        ("UPDATE gpus SET id = '1e0f' WHERE id = '1e07'", "`1e0f` of `gpus` describes `1e07`"),
        ("UPDATE kernels SET id = '8 6.9' WHERE id = '8 6.8'", "describes `8 6.8`"),
        ("UPDATE branches SET json = replace(json, ':16,', ':300,')", "u8"),
        ("UPDATE rules SET json = replace(json, '\"arm\"', '\"other\"')", "is not a rule"),
        ("UPDATE reasons SET json = CAST(x'ff' AS TEXT) WHERE id = 'matrix'", "utf-8"),
        ("DELETE FROM architectures WHERE id = 'turing'", "does not exist"),
        ("UPDATE gpus SET json = json_set(json, '$.evidence', json('[]'))", "no evidence"),
    ] {
        let error = chain(sql);
        assert!(error.contains(says), "{sql}: {error}");
    }
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50001)
                INSERT INTO reasons SELECT 'r' || i, '{}' FROM n";
    assert!(message(&after(many)).contains("rows in `reasons`"));
}

/// Returns a column of a GPU, queried as the users of the Bash script do.
fn column(id: &str, column: &str) -> String {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.deserialize_read_exact(MAIN_DB, &**BYTES, BYTES.len(), true).unwrap();
    let sql = format!("SELECT {column} FROM gpu_info WHERE deviceid = ?");
    connection.query_row(&sql, [id], |row| row.get(0)).unwrap()
}

#[test]
fn gpu_info_has_the_columns_of_the_script() {
    assert_eq!(column("1e07", "vendorid || '|' || vgpu"), "10de|Yes");
    assert_eq!(column("1eb8", "vgpu"), "Native");
    assert_eq!(column("128b", "vgpu || driver"), "No");
    // Rows that are wrong in the script's own database.
    assert_eq!(column("1bb3", "vgpu || ' ' || driver"), "Native 16");
    assert_eq!(column("11fa", "vgpu"), "No");
    assert!(column("2330", "driver").contains("18"));
    assert!(column("2c05", "description").contains("RTX 5070 Ti"));
}

#[test]
fn the_views_show_lists_as_rows() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.deserialize_read_exact(MAIN_DB, &**BYTES, BYTES.len(), true).unwrap();
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let catalog = Catalog::embedded();
    let builds: usize = catalog.drivers().iter().map(|driver| driver.kernels.len()).sum();
    let builds = i64::try_from(builds).unwrap();
    assert_eq!(count("SELECT count(*) FROM driver_kernels WHERE why NOT NULL"), builds);
    let evidence: usize = catalog.gpus().iter().map(|gpu| gpu.evidence.len()).sum();
    let evidence = i64::try_from(evidence).unwrap();
    assert_eq!(count("SELECT count(*) FROM gpu_evidence"), evidence);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_file_makes_the_reader_panic(at in 0..BYTES.len(), byte: u8, cut in 0..BYTES.len()) {
        let mut bytes = BYTES.clone();
        bytes[at] = byte;
        let _ = read(&bytes);
        let _ = read(&bytes[..cut]);
    }
}

/// Returns a configuration as large as that of the largest recorded driver: dozens of types for
/// each of many boards.
fn large() -> DriverConfig {
    let vgpu_type = |id: u32| VgpuType {
        id,
        name: format!("NVIDIA RTX6000-Ada-{id}Q").parse().unwrap(),
        class: "Quadro".parse().unwrap(),
        framebuffer: u64::from(id) << 20,
        profile_size: id.is_multiple_of(2).then_some(1 << 30),
        heads: Some(4),
        resolution: (!id.is_multiple_of(3)).then_some(Resolution { width: 7680, height: 4320 }),
    };
    let gpu = |at: u16| GpuSupport {
        device: DeviceId(0x1eb0 + at / 2),
        subsystem: (!at.is_multiple_of(2)).then_some(DeviceId(at)),
        types: (0..u32::from(at % 50)).map(|id| SupportedType { id, instances: id + 1 }).collect(),
    };
    let types = (0..1_500).map(vgpu_type).collect();
    DriverConfig {
        driver: "535.230.02".parse().unwrap(),
        config: VgpuConfig { types, gpus: (0..200).map(gpu).collect() },
    }
}

#[test]
fn the_config_of_drivers_reads_back_and_is_small() {
    let second = DriverConfig { driver: "550.90.05".parse().unwrap(), ..large() };
    let configs = [large(), second];
    let bytes = write(&Catalog::embedded(), &configs).unwrap();
    assert!(bytes.len() <= 3 << 19, "{} bytes", bytes.len());
    assert_eq!(read_configs(&bytes).unwrap(), configs);
    assert_eq!(read(&bytes).unwrap().rows(), Catalog::embedded().rows());
    assert!(write(&Catalog::embedded(), &configs).unwrap() == bytes);
    assert_eq!(read_configs(&BYTES).unwrap(), []);
}

#[test]
fn an_invalid_config_is_refused() {
    let small = DriverConfig {
        config: VgpuConfig { gpus: large().config.gpus[..5].to_vec(), ..large().config },
        ..large()
    };
    let bytes = write(&Catalog::embedded(), &[small]).unwrap();
    for (sql, word) in [
        (
            "UPDATE driver_gpus SET json = replace(json, '\"id\":1,', '\"id\":9999,')",
            "unknown vGPU type 9999",
        ),
        (
            "UPDATE driver_gpus SET json = replace(json, 'instances', 'held')",
            "`driver_gpus` has an",
        ),
        ("UPDATE driver_gpus SET id = 'x' WHERE rowid = 1", "`driver_gpus` has an"),
        (
            "UPDATE driver_gpus SET id = '535.230.02/1eb0/0009' WHERE rowid = 1",
            "describes `535.230.02/1eb0`",
        ),
        (
            "UPDATE driver_types SET json = json_remove(json, '$.resolution.height')",
            "`driver_types` has an",
        ),
        ("UPDATE driver_types SET rowid = 9999 WHERE rowid = 1", "not sorted by id"),
        (
            "UPDATE driver_types SET id = '535.230.02/9999' WHERE rowid = 1",
            "describes `535.230.02/0`",
        ),
        (
            "UPDATE driver_types SET json = json_set(json, '$.name', char(27))",
            "`driver_types` has an",
        ),
        ("UPDATE driver_gpus SET json = json_set(json, '$.device', 7)", "`driver_gpus` has an"),
        (
            "UPDATE driver_types SET json = json_set(json, '$.framebuffer', -1)",
            "`driver_types` has an",
        ),
    ] {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.deserialize_read_exact(MAIN_DB, &*bytes, bytes.len(), false).unwrap();
        connection.execute_batch(sql).unwrap();
        let other = connection.serialize(MAIN_DB).unwrap().to_vec();
        let error = read_configs(&other).unwrap_err().to_string();
        assert!(error.contains(word), "{sql}: {error}");
    }
}
