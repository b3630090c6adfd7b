//! The page of a comparison: nodes × facts, the differences first and marked.
//!
//! Nodes with equal reports are one column, so that hundreds of nodes stay readable.

use vgpu_manifest::ui::count;

use super::Html;
use super::parts::Light;
use crate::fleet::{Alike, Comparison, Difference, FleetNode, Held, Signed};

/// The number of groups with a column each. The values of the rest share one.
const COLUMNS: usize = 8;

/// The number of nodes that are named before the rest is folded.
const SHOWN: usize = 6;

pub(crate) fn fleet(comparison: &Comparison) -> Html {
    let Comparison { nodes, differences, groups, shared } = comparison;
    let title = count(nodes.len(), "node");
    Html::page("Comparison of nodes", &title, |html| {
        match differences.len() {
            0 => html.banner(Light::Good, "All nodes are the same", ""),
            number => {
                let facts = count(number, "fact");
                let sentence = format!("The nodes differ in {facts}");
                let more = "Nodes with equal reports form a group. A marked value differs from \
                            the most common one.";
                html.banner(Light::Bad, sentence, more);
            }
        }
        html.tiles(&[
            (nodes.len(), "nodes"),
            (groups.len(), "groups of equal nodes"),
            (differences.len(), "facts that differ"),
            (shared.len(), "facts that all nodes share"),
        ]);
        if !differences.is_empty() {
            html.section("Differences", |html| matrix(html, comparison));
        }
        html.section("Groups", |html| members(html, comparison));
        html.folded("Nodes", count(nodes.len(), "report"), |html| roster(html, comparison));
        let facts = count(shared.len(), "fact");
        html.folded("Shared facts", format_args!("{facts} with their values"), |html| {
            html.table("div.scroll.tall", &["Fact", "Value"], shared, |html, (fact, value)| {
                html.text("th.path.wide scope=\"row\"", fact);
                html.text("td.wide", value);
            });
        });
    })
}

/// Returns the letter of a group: A, B, … Z, AA, AB, …
fn letter(group: usize) -> String {
    let last = char::from(b'A' + u8::try_from(group % 26).unwrap_or(0));
    match group / 26 {
        0 => last.to_string(),
        more => format!("{}{last}", letter(more - 1)),
    }
}

fn members(html: &mut Html, comparison: &Comparison) {
    let rows = comparison.groups.iter().enumerate();
    let head = ["Group", "Nodes", "Names", "Digest of the reports"];
    html.table("div.scroll.tall", &head, rows, |html, (at, group): (usize, &Alike)| {
        html.put("th.cell scope=\"row\"", |html| html.text("b", letter(at)));
        html.text("td.num", group.nodes.len());
        let names: Vec<_> = group.nodes.iter().map(|at| &comparison.nodes[*at].name).collect();
        html.put("td.wide", |html| html.names(&names, SHOWN));
        html.put("td.wide", |html| html.text("code", group.digest));
    });
}

fn matrix(html: &mut Html, comparison: &Comparison) {
    let columns = comparison.groups.len().min(COLUMNS);
    let rest = comparison.groups.len() - columns;
    html.put("div.scroll.tall.pinned tabindex=\"0\"", |html| {
        html.put("table", |html| {
            html.put("thead", |html| {
                html.put("tr", |html| {
                    html.text("th scope=\"col\"", "Fact");
                    for group in 0..columns {
                        let (letter, nodes) = label(comparison, group);
                        html.put("th scope=\"col\"", |html| {
                            html.text("b", letter);
                            html.say(nodes);
                        });
                    }
                    if rest > 0 {
                        let groups = count(rest, "more group");
                        html.text("th scope=\"col\"", format_args!("{groups}: other values"));
                    }
                });
            });
            html.put("tbody", |html| {
                for difference in &comparison.differences {
                    html.put("tr", |html| {
                        html.text("th.path.wide scope=\"row\"", &difference.what);
                        (0..columns).for_each(|group| cell(html, difference, group));
                        if rest > 0 {
                            html.put("td.wide", |html| {
                                others(html, comparison, difference, columns);
                            });
                        }
                    });
                }
            });
        });
    });
}

/// Returns the letter of a group, its first node, and the number of the others.
fn label(comparison: &Comparison, group: usize) -> (String, String) {
    let nodes = &comparison.groups[group].nodes;
    let first = nodes.first().map_or("", |first| &*comparison.nodes[*first].name);
    let more = match nodes.len() {
        0 | 1 => String::new(),
        number => format!(" +{}", number - 1),
    };
    (letter(group), format!(" {first}{more}"))
}

fn cell(html: &mut Html, difference: &Difference, group: usize) {
    let is_of = |held: &&Held| held.groups.binary_search(&group).is_ok();
    // A group that lacks a whole object has no value for the facts in it.
    let Some(held) = difference.values.iter().find(is_of) else {
        return html.text("td.quiet", "–");
    };
    if is_common(difference, held) {
        return html.text("td", &held.value);
    }
    html.put("td.odd", |html| {
        html.text("b", "≠ ");
        html.say(&held.value);
    });
}

/// Checks whether no other value of the fact has more nodes.
fn is_common(difference: &Difference, held: &Held) -> bool {
    difference.values.first().is_some_and(|first| first == held)
}

/// Writes the uncommon values of the groups that have no column.
fn others(html: &mut Html, comparison: &Comparison, difference: &Difference, columns: usize) {
    for held in &difference.values {
        let groups: Vec<_> = held.groups.iter().filter(|group| **group >= columns).collect();
        if groups.is_empty() || is_common(difference, held) {
            continue;
        }
        let name = |group: &usize| {
            let (letter, nodes) = label(comparison, *group);
            letter + &nodes
        };
        let names: Vec<String> = groups.into_iter().map(name).collect();
        html.put("div", |html| {
            html.put("span.odd", |html| {
                html.text("b", "≠ ");
                html.say(&held.value);
            });
            html.put("div.quiet", |html| html.names(&names, SHOWN));
        });
    }
}

fn roster(html: &mut Html, comparison: &Comparison) {
    let nodes =
        comparison.groups.iter().enumerate().flat_map(|(at, group)| {
            group.nodes.iter().map(move |node| (at, &comparison.nodes[*node]))
        });
    let head = ["Node", "Group", "Signature", "Report"];
    html.table("div.scroll.tall", &head, nodes, |html, (at, node): (usize, &FleetNode)| {
        html.text("th.path scope=\"row\"", &node.name);
        html.text("td", letter(at));
        html.put("td", |html| match &node.signed {
            Signed::By(who) => html.light(Light::Good, format_args!("signed by {who}")),
            Signed::Unknown(_) => html.light(Light::Warn, "signed by an unknown key"),
            Signed::No => html.light(Light::Off, "not signed"),
        });
        html.text("td.path", &node.report);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_letters() {
        assert_eq!([0, 25, 26, 51, 52, 702].map(letter), ["A", "Z", "AA", "AZ", "BA", "AAA"]);
    }
}
