//! The stylesheet of every page.

/// Colors have a contrast of at least 4.5 in light and dark; a test in Chromium measures it.
pub(super) const SHEET: &str = "\
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f4f5f7; --line: #d5d9e0; --text: #1a1d23; --quiet: #535a66;
  --good: #0b6430; --good-on: #e2f4e8; --warn: #744600; --warn-on: #fcefd2;
  --bad: #9c141c; --bad-on: #fde6e7; --note: #1b4f8f; --note-on: #e5eefa;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131519; --panel: #1c1f26; --line: #383e4a; --text: #e8eaef; --quiet: #a6adba;
    --good: #86dfa3; --good-on: #14301f; --warn: #f3c873; --warn-on: #352a10;
    --bad: #ffa3a3; --bad-on: #3c1b1e; --note: #a6c9f7; --note-on: #182a42;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 3rem;
  background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', 'Noto Sans', sans-serif;
  overflow-wrap: anywhere;
}
header { border-bottom: 1px solid var(--line); margin-bottom: 1.25rem; }
footer { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: .75rem; }
footer, .quiet { color: var(--quiet); font-size: .875rem; }
.kind {
  margin: 0; color: var(--quiet); font-size: .8125rem; font-weight: 600;
  letter-spacing: .06em; text-transform: uppercase;
}
h1 { margin: .125rem 0 1rem; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 2rem 0 .5rem; font-size: 1.25rem; line-height: 1.3; }
h3 { margin: 1.25rem 0 .375rem; font-size: 1rem; }
p { margin: .375rem 0; max-width: 50rem; }
a { color: var(--note); }
code, pre, .path { font-family: ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; }
code, .path { font-size: .875em; overflow-wrap: anywhere; }
.light, .tag {
  display: inline-block; border-radius: .375rem; padding: 0 .5rem; font-size: .875rem;
  font-weight: 600; background: var(--panel); color: var(--quiet);
}
.light b { display: inline-block; min-width: 1.1em; }
.good { background: var(--good-on); color: var(--good); }
.warn { background: var(--warn-on); color: var(--warn); }
.bad { background: var(--bad-on); color: var(--bad); }
.note { background: var(--note-on); color: var(--note); }
.banner { margin: 0 0 1rem; padding: .75rem 1rem; border-radius: .5rem; font-weight: 600; }
.banner .quiet { font-weight: 400; color: inherit; }
.tiles { display: flex; flex-wrap: wrap; gap: .625rem; margin: 0 0 1rem; padding: 0; }
.tiles > div {
  flex: 1 1 8rem; padding: .625rem .875rem; border: 1px solid var(--line); border-radius: .5rem;
  background: var(--panel);
}
.tiles b { display: block; font-size: 1.5rem; line-height: 1.2; }
.tiles span { color: var(--quiet); font-size: .875rem; }
dl { display: grid; grid-template-columns: minmax(7rem, 13rem) 1fr; gap: .25rem 1rem; margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0; min-width: 0; }
.scroll { overflow-x: auto; max-width: 100%; }
.tall { max-height: 85vh; overflow-y: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; }
th, td {
  padding: .375rem .625rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; overflow-wrap: break-word;
}
thead th {
  position: sticky; top: 0; z-index: 1; background: var(--page); color: var(--quiet);
  font-size: .8125rem; box-shadow: inset 0 -1px var(--line);
}
thead .quiet { font-weight: 400; font-size: .75rem; }
td details { margin: 0; }
td summary { padding: 0; }
.tight li { margin: 0 0 .125rem; }
.lights td:first-child { width: 9.5rem; }
.lights th { width: 14rem; }
th[scope=row] { font-weight: 400; min-width: 9rem; }
.pinned th[scope=row], .pinned thead th:first-child {
  position: sticky; left: 0; background: var(--page);
}
.pinned thead th:first-child { z-index: 2; }
th.cell { min-width: 0; }
.num { white-space: nowrap; font-variant-numeric: tabular-nums; }
th.wide, td.wide { min-width: 14rem; }
.cell { white-space: nowrap; }
.odd { background: var(--warn-on); color: var(--warn); }
.odd b { font-weight: 700; }
ol { margin: 0; padding-left: 1.75rem; }
li { margin: 0 0 .625rem; }
ul { margin: 0; padding-left: 1.25rem; }
article { margin: 0 0 1rem; border: 1px solid var(--line); border-radius: .5rem; }
article > h3 { margin: 0; padding: .5rem .875rem; background: var(--panel); font-weight: 400;
  border-radius: .5rem .5rem 0 0; }
article > dl, article > p { padding: .5rem .875rem; }
pre { margin: 0; padding: .5rem 0; font-size: .8125rem; line-height: 1.45; border-top: 1px solid
  var(--line); white-space: pre-wrap; overflow-wrap: anywhere; }
pre span { display: block; padding: 0 .875rem 0 2.25rem; text-indent: -1.375rem; min-height: 1.45em; }
pre .same, pre .head { background: none; color: var(--quiet); }
details { margin: .5rem 0; }
summary { cursor: pointer; padding: .25rem 0; }
summary h2, summary h3 { display: inline; }
:focus-visible { outline: 2px solid var(--note); outline-offset: 2px; }
@media (max-width: 40rem) {
  body { padding: 1rem .75rem 2rem; }
  h1 { font-size: 1.375rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
  th.wide, td.wide { min-width: 9rem; }
  .pinned th[scope=row], .pinned thead th:first-child { max-width: 11rem; }
}
@media print {
  :root {
    color-scheme: light;
    --page: #ffffff; --panel: #ffffff; --line: #999999; --text: #000000; --quiet: #333333;
    --good: #0b6430; --good-on: #ffffff; --warn: #744600; --warn-on: #ffffff;
    --bad: #9c141c; --bad-on: #ffffff; --note: #1b4f8f; --note-on: #ffffff;
  }
  @page { margin: 14mm; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .light, .tag, .banner { border: 1px solid; }
  .scroll, .tall { overflow: visible; max-height: none; }
  table { font-size: 8.5pt; }
  .cell { white-space: normal; }
  thead th, .pinned th[scope=row], .pinned thead th:first-child { position: static; }
  tr, li, article > h3, .tiles > div { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
";
