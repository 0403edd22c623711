//! The page of figures for operators, written from the table that makes them. `bellhop metrics` prints it.

use super::metrics::CATALOGUE;

/// Every figure with its kind, its labels and its help, as Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Figures\n\nWhat `/metrics` has, in Prometheus' text format. Written by `bellhop metrics`.\n\n\
         | figure | kind | labels | what it says |\n|---|---|---|---|\n",
    );
    for one in CATALOGUE {
        let labels: Vec<String> = one.labels.iter().map(|label| format!("`{label}`")).collect();
        page.extend([format!("| `{}` | {} | {} | {} |\n", one.name, one.kind, labels.join(", "), one.help)]);
    }
    page
}
