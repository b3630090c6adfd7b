//! The tables, and the views that make lists easier to query.

use std::fmt::Write as _;

use rusqlite::Connection;

/// A table: the rows of one kind.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [Column],
}

/// A column: one field of a row.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// The field's name in the TOML, where the column has another.
    field: Option<&'static str>,
    pub(super) holds: Holds,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// The word or number by which the row is known.
    Key,
    /// A word or a sentence.
    Text,
    /// A number.
    Integer,
    /// A list.
    Json,
    /// Something that follows from the rest, for people. It is never read.
    Derived,
}

impl Column {
    /// The field that it holds.
    pub(super) fn field(&self) -> &'static str {
        self.field.unwrap_or(self.name)
    }

    fn sql(&self) -> String {
        let kind = match self.holds {
            Holds::Key => "TEXT NOT NULL PRIMARY KEY",
            Holds::Text | Holds::Json => "TEXT",
            Holds::Derived => "TEXT NOT NULL",
            Holds::Integer => "INTEGER",
        };
        format!("\"{}\" {kind}", self.name)
    }
}

const fn key(name: &'static str) -> Column {
    Column { name, field: None, holds: Holds::Key }
}

const fn text(name: &'static str) -> Column {
    Column { name, field: None, holds: Holds::Text }
}

const fn integer(name: &'static str) -> Column {
    Column { name, field: None, holds: Holds::Integer }
}

const fn json(name: &'static str) -> Column {
    Column { name, field: None, holds: Holds::Json }
}

const fn derived(name: &'static str) -> Column {
    Column { name, field: None, holds: Holds::Derived }
}

pub(super) const EVIDENCE: Table =
    Table { name: "evidence", columns: &[key("id"), text("kind"), text("source"), text("says")] };

pub(super) const ARCHITECTURES: Table = Table {
    name: "architectures",
    columns: &[
        key("id"),
        json("chips"),
        json("ids"),
        text("sriov"),
        text("modules"),
        json("evidence"),
    ],
};

/// The first six columns are those of the Bash script's `gpu_info.db`, in its order: it takes the
/// fields of `SELECT *` by their place.
pub(super) const GPUS: Table = Table {
    name: "gpu_info",
    columns: &[
        derived("vendorid"),
        Column { name: "deviceid", field: Some("id"), holds: Holds::Key },
        derived("description"),
        derived("vgpu"),
        derived("driver"),
        text("chip"),
        text("name"),
        text("arch"),
        text("native"),
        text("native_unproven"),
        text("sriov"),
        text("display"),
        json("subsystems"),
        text("unlock"),
        text("unlock_state"),
        text("platform"),
        json("evidence"),
    ],
};

pub(super) const BRANCHES: Table = Table {
    name: "branches",
    columns: &[
        Column { name: "major", field: None, holds: Holds::Integer },
        text("line"),
        text("end_of_life"),
        json("native"),
        json("unlock"),
        text("flavour"),
        json("unlock_args"),
        text("guest_root"),
        text("mediation"),
        text("apicv"),
        json("evidence"),
    ],
};

pub(super) const DRIVERS: Table = Table {
    name: "drivers",
    columns: &[
        key("release"),
        text("state"),
        text("host"),
        text("file"),
        json("misnamed"),
        text("md5"),
        text("linux_guest"),
        text("windows_guest"),
        text("patch"),
        json("kernels"),
        json("evidence"),
    ],
};

pub(super) const PATCHES: Table = Table {
    name: "patches",
    columns: &[
        key("host"),
        text("state"),
        integer("bytes"),
        text("sha256"),
        json("changes"),
        json("evidence"),
    ],
};

pub(super) const IDENTITIES: Table = Table {
    name: "identities",
    columns: &[key("id"), text("card"), text("name"), json("shown"), json("evidence")],
};

pub(super) const LIBRARIES: Table = Table {
    name: "libraries",
    columns: &[
        key("id"),
        text("repository"),
        text("commit"),
        text("version"),
        json("sizes"),
        text("releases"),
        json("evidence"),
    ],
};

pub(super) const LAYOUTS: Table = Table {
    name: "layouts",
    columns: &[key("releases"), text("state"), json("sizes"), json("evidence")],
};

pub(super) const KERNELS: Table = Table {
    name: "kernels",
    columns: &[text("pve"), text("series"), text("newest"), text("role"), json("evidence")],
};

pub(super) const REASONS: Table =
    Table { name: "reasons", columns: &[key("id"), text("says"), json("evidence")] };

pub(super) const RULES: Table = Table { name: "rules", columns: &[key("id"), json("evidence")] };

/// The vGPU types that the drivers of the bundle know.
pub(super) const VGPU_TYPES: Table = Table {
    name: "vgpu_types",
    columns: &[
        text("driver"),
        integer("id"),
        text("name"),
        text("class"),
        integer("framebuffer"),
        integer("profile_size"),
        integer("heads"),
        integer("width"),
        integer("height"),
    ],
};

/// Which of them a GPU can hold, and how many.
pub(super) const VGPU_GPUS: Table = Table {
    name: "vgpu_gpus",
    columns: &[
        text("driver"),
        text("deviceid"),
        text("subsystem"),
        integer("type"),
        integer("instances"),
    ],
};

const TABLES: [&Table; 14] = [
    &EVIDENCE,
    &ARCHITECTURES,
    &GPUS,
    &BRANCHES,
    &DRIVERS,
    &PATCHES,
    &IDENTITIES,
    &LIBRARIES,
    &LAYOUTS,
    &KERNELS,
    &REASONS,
    &RULES,
    &VGPU_TYPES,
    &VGPU_GPUS,
];

/// Lists as rows, for people. Nothing here reads them.
const VIEWS: [&str; 3] = [
    r#"CREATE VIEW "driver_kernels" AS
SELECT d."release", d."host",
       json_extract(k.value, '$.range') AS "kernels",
       json_extract(k.value, '$.with') AS "with_file",
       json_extract(k.value, '$.build') AS "build",
       r."says" AS "why"
FROM "drivers" d, json_each(d."kernels") k
LEFT JOIN "reasons" r ON r."id" = json_extract(k.value, '$.why')"#,
    r#"CREATE VIEW "gpu_evidence" AS
SELECT g."deviceid", g."name", e."kind", e."source", e."says"
FROM "gpu_info" g, json_each(g."evidence") j
JOIN "evidence" e ON e."id" = j.value"#,
    r#"CREATE VIEW "vgpus" AS
SELECT h."driver", h."deviceid", h."subsystem", g."name" AS "gpu", t."id" AS "type", t."name",
       t."class", t."framebuffer" / 1048576 AS "mib", h."instances", t."heads", t."width", t."height"
FROM "vgpu_gpus" h
JOIN "vgpu_types" t ON t."driver" = h."driver" AND t."id" = h."type"
LEFT JOIN "gpu_info" g ON g."deviceid" = h."deviceid""#,
];

/// Make all tables and views.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    for table in TABLES {
        let columns: Vec<_> = table.columns.iter().map(Column::sql).collect();
        let sql = format!("CREATE TABLE \"{}\" (\n  {}\n)", table.name, columns.join(",\n  "));
        connection.execute_batch(&sql)?;
    }
    VIEWS.iter().try_for_each(|sql| connection.execute_batch(sql))
}

/// Every table, index and view as SQLite itself has written it down.
pub(super) fn written(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
    let mut statement = connection.prepare(sql)?;
    let lines = statement.query_map([], |row| {
        let mut line = String::new();
        for at in 0..4 {
            let text: Option<String> = row.get(at)?;
            // Writing to a `String` cannot fail.
            let _ = write!(line, "{text:?} ");
        }
        Ok(line)
    })?;
    lines.collect()
}
