//! The pages in headless Chromium: console, width, contrast, paper.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;
use vgpu_tests::browser::Browser;
use vgpu_tests::skip::have;

use super::fleet;
use super::scene::{PAGES, scene};

/// The widths of a phone and of a laptop, in pixels.
const WIDTHS: [u32; 2] = [390, 1280];

/// Returns the texts with less contrast than WCAG AA wants of small text, with their contrast.
/// <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>
const CONTRAST: &str = "(() => {
  const rgba = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = element => {
    for (let it = element; it; it = it.parentElement) {
      const color = rgba(getComputedStyle(it).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
      if (color[3] !== 0) throw new Error('a translucent background');
    }
    throw new Error('no background');
  };
  const poor = [];
  let count = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
    if (!text) continue;
    const [a, b] = [rgba(getComputedStyle(element).color), behind(element)].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    count += 1;
    if (ratio < 4.5 && poor.length < 5) poor.push(`${text}: ${ratio.toFixed(2)}`);
  }
  return { count, poor };
})()";

/// Checks whether the page is no wider than the window: long tables scroll on their own.
const FITS: &str = "document.documentElement.scrollWidth <= window.innerWidth";

/// Counts the closed parts of the page that paper would not have.
const HIDDEN: &str = "[...document.querySelectorAll('details > :not(summary)')]
  .filter(it => !it.checkVisibility({ contentVisibilityAuto: true })).length";

/// Returns the folder for pictures, in which people can look at them.
fn pictures() -> Utf8PathBuf {
    let folder = Utf8PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("html");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn pages_are_readable_in_light_and_dark_and_on_paper() {
    if !have("chromedriver") || !have("chromium") || !have("xz") {
        return;
    }
    let (scratch, fleet, browser) = (scene(), fleet::page(), Browser::start().unwrap());
    for page in PAGES {
        check(&browser, &scratch.path("laptop").join(page), page.trim_end_matches(".html"));
    }
    check(&browser, &fleet.path("laptop/fleet.html"), "fleet-500");
}

/// Checks a page in light, dark and on paper, and takes pictures.
fn check(browser: &Browser, page: &Utf8Path, name: &str) {
    let folder = pictures();
    browser.open(page);
    for scheme in ["light", "dark"] {
        browser.show_in("screen", scheme);
        for width in WIDTHS {
            browser.resize(width, 900);
            let fits = browser.settles(FITS, &json!(true));
            assert_eq!(fits, true, "{name} scrolls at {width} pixels");
            browser.picture(&folder.join(format!("{name}-{scheme}-{width}.png"))).unwrap();
        }
        let contrast = browser.evaluate(CONTRAST);
        assert!(contrast["count"].as_u64().unwrap() > 20, "{name}: {contrast}");
        assert_eq!(contrast["poor"], json!([]), "{name} in {scheme}");
    }
    browser.show_in("print", "light");
    assert_eq!(browser.settles(HIDDEN, &json!(0)), 0, "{name} on paper");
    assert_eq!(browser.evaluate(CONTRAST)["poor"], json!([]), "{name} on paper");
    browser.print(&folder.join(format!("{name}.pdf"))).unwrap();
    assert_eq!(browser.console(), [""; 0], "{name}");
}

#[test]
fn the_checks_find_faults() {
    if !have("chromedriver") || !have("chromium") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let page = Utf8PathBuf::from_path_buf(folder.path().join("bad.html")).unwrap();
    let html = "<!DOCTYPE html><body style='background: #fff'><p style='color: #999'>pale</p>\
                <p style='width: 2000px'>wide</p><details><p>folded</p></details>\
                <img src='missing.png' alt=''>";
    std::fs::write(&page, html).unwrap();
    let browser = Browser::start().unwrap();
    browser.open(&page);
    browser.resize(390, 900);
    assert_eq!(browser.evaluate(FITS), false);
    assert_eq!(browser.evaluate(HIDDEN), 1);
    assert_eq!(browser.evaluate(CONTRAST)["poor"], json!(["pale: 2.85"]));
    assert!(browser.console().concat().contains("missing.png"));
}
