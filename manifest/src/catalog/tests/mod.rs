mod extend;
mod facts;
mod gpus;
mod refusals;

use super::*;

#[test]
fn the_embedded_catalog_is_valid() {
    assert_eq!(validate(&Rows::embedded().unwrap()), [""; 0]);
}

#[test]
fn rows_survive_being_written_and_read() {
    let rows = Rows::embedded().unwrap();
    let json = serde_json::to_string(&rows).unwrap();
    assert!(json.len() <= 1 << 20, "{} bytes", json.len());
    assert_eq!(serde_json::from_str::<Rows>(&json).unwrap(), rows);
    let text = toml::to_string(&rows).unwrap();
    let mut again = Rows::default();
    again.add_toml("all.toml", &text).unwrap();
    assert_eq!(again, rows);
}
