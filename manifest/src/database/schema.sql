-- The tables have one row for each row of catalog/*.toml, in the same order: its name and the row
-- itself as JSON. Programs read only the tables.
CREATE TABLE evidence (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE architectures (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE gpus (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE branches (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE drivers (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE patches (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE identities (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE libraries (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE layouts (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE kernels (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE reasons (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE bulletins (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE rules (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);

-- The contents of vgpuConfig.xml in the drivers of the bundle: `DRIVER/TYPE`, `DRIVER/GPU/BOARD`.
CREATE TABLE driver_types (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE driver_gpus (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);

-- A summary of the verdicts on each GPU, for gpu_info. No program reads it.
CREATE TABLE support (id TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL);

-- The first six columns are those of the Bash script's gpu_info.db, in its order: the script takes
-- the fields of `SELECT *` by position.
CREATE VIEW gpu_info AS
SELECT '10de' AS vendorid,
       g.id AS deviceid,
       'NVIDIA ' || json_extract(g.json, '$.name') AS description,
       json_extract(s.json, '$.vgpu') AS vgpu,
       json_extract(s.json, '$.driver') AS driver,
       json_extract(g.json, '$.chip') AS chip,
       json_extract(g.json, '$.name') AS name,
       json_extract(g.json, '$.arch') AS arch,
       json_extract(g.json, '$.native') AS native,
       json_extract(g.json, '$.native_unproven') AS native_unproven,
       json_extract(g.json, '$.sriov') AS sriov,
       json_extract(g.json, '$.display') AS display,
       json_extract(g.json, '$.subsystems') AS subsystems,
       json_extract(g.json, '$.unlock') AS "unlock",
       json_extract(g.json, '$.unlock_state') AS unlock_state,
       json_extract(g.json, '$.platform') AS platform,
       json_extract(g.json, '$.evidence') AS evidence
FROM gpus g JOIN support s ON s.id = g.id;

CREATE VIEW gpu_evidence AS
SELECT g.id AS deviceid,
       json_extract(g.json, '$.name') AS name,
       json_extract(e.json, '$.kind') AS kind,
       json_extract(e.json, '$.source') AS source,
       json_extract(e.json, '$.says') AS says
FROM gpus g, json_each(g.json, '$.evidence') j
JOIN evidence e ON e.id = j.value;

CREATE VIEW driver_kernels AS
SELECT d.id AS "release",
       json_extract(d.json, '$.host') AS host,
       json_extract(k.value, '$.range') AS kernels,
       json_extract(k.value, '$.with') AS with_file,
       json_extract(k.value, '$.build') AS build,
       json_extract(r.json, '$.says') AS why
FROM drivers d, json_each(d.json, '$.kernels') k
LEFT JOIN reasons r ON r.id = json_extract(k.value, '$.why');

CREATE VIEW vgpu_types AS
SELECT substr(t.id, 1, instr(t.id, '/') - 1) AS driver,
       json_extract(t.json, '$.id') AS id,
       json_extract(t.json, '$.name') AS name,
       json_extract(t.json, '$.class') AS class,
       json_extract(t.json, '$.framebuffer') AS framebuffer,
       json_extract(t.json, '$."profile-size"') AS profile_size,
       json_extract(t.json, '$.heads') AS heads,
       json_extract(t.json, '$.resolution.width') AS width,
       json_extract(t.json, '$.resolution.height') AS height
FROM driver_types t;

CREATE VIEW vgpu_gpus AS
SELECT substr(g.id, 1, instr(g.id, '/') - 1) AS driver,
       json_extract(g.json, '$.device') AS deviceid,
       json_extract(g.json, '$.subsystem') AS subsystem,
       json_extract(h.value, '$.id') AS type,
       json_extract(h.value, '$.instances') AS instances
FROM driver_gpus g LEFT JOIN json_each(g.json, '$.types') h ON 1;

CREATE VIEW vgpus AS
SELECT h.driver, h.deviceid, h.subsystem,
       json_extract(g.json, '$.name') AS gpu,
       h.type,
       json_extract(t.json, '$.name') AS name,
       json_extract(t.json, '$.class') AS class,
       json_extract(t.json, '$.framebuffer') / 1048576 AS mib,
       h.instances,
       json_extract(t.json, '$.heads') AS heads,
       json_extract(t.json, '$.resolution.width') AS width,
       json_extract(t.json, '$.resolution.height') AS height
FROM vgpu_gpus h
JOIN driver_types t ON t.id = h.driver || '/' || h.type
LEFT JOIN gpus g ON g.id = h.deviceid;
