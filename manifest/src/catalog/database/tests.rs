use std::sync::LazyLock;

use proptest::prelude::*;
use rusqlite::{Connection, MAIN_DB};

use super::*;
use crate::catalog::{Catalog, DeviceId};
use crate::driver::{GpuSupport, Resolution, SupportedType, VgpuConfig, VgpuType};

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| write(&Catalog::embedded(), &[]).unwrap());

fn message(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

/// The catalogue after somebody has run SQL on it.
fn after(sql: &str) -> Vec<u8> {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.deserialize_read_exact(MAIN_DB, &**BYTES, BYTES.len(), false).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.serialize(MAIN_DB).unwrap().to_vec()
}

#[test]
fn a_catalogue_reads_back_as_it_was_written() {
    let embedded = Catalog::embedded();
    assert_eq!(read(&BYTES).unwrap().rows(), embedded.rows());
    assert_eq!(after("PRAGMA user_version"), *BYTES);
}

#[test]
fn equal_catalogues_are_equal_bytes_and_small() {
    let again = std::thread::spawn(|| write(&Catalog::embedded(), &[]).unwrap()).join().unwrap();
    assert!(again == *BYTES);
    assert!(BYTES.len() <= 1 << 20, "{} bytes", BYTES.len());
    assert_eq!(BYTES.len() % 4096, 0);
}

#[test]
fn what_is_something_else_is_called_so() {
    assert!(message(b"").contains("shorter than the header"));
    assert!(message(&[0; 4096]).contains("not a SQLite file"));
    assert!(message(&after("PRAGMA application_id = 1")).contains("another program"));
    let newer = message(&after("PRAGMA user_version = 3"));
    assert!(newer.contains("schema 3") && newer.contains("came with the bundle"), "{newer}");
    let mut log = BYTES.clone();
    log[18] = 2;
    assert!(message(&log).contains("write-ahead log"));
    assert!(message(&vec![0; 1 + (16 << 20)]).contains("16777217 bytes"));
}

#[test]
fn tables_and_views_are_ours_or_refused() {
    for sql in [
        "CREATE TABLE more (a)",
        "DROP VIEW gpu_evidence",
        "CREATE TRIGGER t AFTER DELETE ON rules BEGIN DELETE FROM rules; END",
        "CREATE INDEX i ON gpu_info (chip)",
        "ALTER TABLE reasons ADD COLUMN more",
    ] {
        assert!(message(&after(sql)).contains("tables are not those"), "{sql}");
    }
}

#[test]
fn rows_must_make_sense_one_by_one_and_together() {
    let chain = |sql: &str| {
        let error = read(&after(sql)).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    for (sql, says) in [
        ("UPDATE drivers SET md5 = md5 || '0' WHERE md5 NOT NULL", "is not an MD5"),
        ("UPDATE gpu_info SET arch = x'07' WHERE deviceid = '1e07'", "`arch` is wrong"),
        ("UPDATE gpu_info SET evidence = '[' WHERE deviceid = '1e07'", "EOF"),
        ("UPDATE gpu_info SET name = NULL WHERE deviceid = '1e07'", "missing field `name`"),
        ("UPDATE branches SET major = 300 WHERE major = 16", "u8"),
        ("UPDATE rules SET id = 'other' WHERE id = 'arm'", "is not a rule"),
        ("UPDATE reasons SET says = x'ff' WHERE id = 'matrix'", "`says` is wrong"),
        ("DELETE FROM architectures WHERE id = 'turing'", "does not exist"),
        ("UPDATE gpu_info SET evidence = '[]' WHERE deviceid = '1e07'", "no evidence"),
    ] {
        let error = chain(sql);
        assert!(error.contains(says), "{sql}: {error}");
    }
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50001)
                INSERT INTO reasons SELECT 'r' || i, 'x', '[]' FROM n";
    assert!(message(&after(many)).contains("rows in `reasons`"));
}

/// The column of a GPU, as the script's users ask for it.
fn column(id: &str, column: &str) -> String {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.deserialize_read_exact(MAIN_DB, &**BYTES, BYTES.len(), true).unwrap();
    let sql = format!("SELECT {column} FROM gpu_info WHERE deviceid = ?");
    connection.query_row(&sql, [id], |row| row.get(0)).unwrap()
}

#[test]
fn the_columns_of_the_script_are_there_and_right() {
    assert_eq!(column("1e07", "vendorid || '|' || vgpu"), "10de|Yes");
    assert_eq!(column("1eb8", "vgpu"), "Native");
    assert_eq!(column("128b", "vgpu || driver"), "No");
    // Rows that the script's own database has wrong.
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

/// As much as the largest known driver says: types by the dozen for each of many boards.
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
fn what_drivers_say_reads_back_and_takes_little_room() {
    let second = DriverConfig { driver: "550.90.05".parse().unwrap(), ..large() };
    let configs = [large(), second];
    let bytes = write(&Catalog::embedded(), &configs).unwrap();
    assert!(bytes.len() <= 1 << 20, "{} bytes", bytes.len());
    assert_eq!(read_configs(&bytes).unwrap(), configs);
    assert_eq!(read(&bytes).unwrap().rows(), Catalog::embedded().rows());
    assert!(write(&Catalog::embedded(), &configs).unwrap() == bytes);
    assert_eq!(read_configs(&BYTES).unwrap(), []);
}

#[test]
fn what_no_driver_says_is_refused() {
    let small = DriverConfig {
        config: VgpuConfig { gpus: large().config.gpus[..5].to_vec(), ..large().config },
        ..large()
    };
    let bytes = write(&Catalog::embedded(), &[small]).unwrap();
    for (sql, word) in [
        ("UPDATE vgpu_gpus SET type = 9999 WHERE type = 1", "that there is not"),
        ("UPDATE vgpu_gpus SET instances = NULL", "no vGPU type, and some"),
        ("UPDATE vgpu_types SET height = NULL", "one side only"),
        ("UPDATE vgpu_types SET id = 5", "order of their ids"),
        ("UPDATE vgpu_types SET name = char(27)", "`vgpu_types` is wrong"),
        ("UPDATE vgpu_gpus SET deviceid = 7", "`vgpu_gpus` is wrong"),
        ("UPDATE vgpu_types SET framebuffer = -1", "`vgpu_types` is wrong"),
    ] {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.deserialize_read_exact(MAIN_DB, &*bytes, bytes.len(), false).unwrap();
        connection.execute_batch(sql).unwrap();
        let other = connection.serialize(MAIN_DB).unwrap().to_vec();
        let error = read_configs(&other).unwrap_err().to_string();
        assert!(error.contains(word), "{sql}: {error}");
    }
}
