use super::*;

#[test]
fn the_embedded_catalogue_is_good() {
    let rows = Rows::embedded().unwrap();
    assert_eq!(validate(&rows), []);
}
