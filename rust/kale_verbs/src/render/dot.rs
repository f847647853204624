//! The step graph in Graphviz's language.

use std::fmt::Write;

use kale_model::GraphView;

use super::cells;

pub fn graph(graph: &GraphView) -> String {
    let mut out = String::new();
    let name = graph.pipeline.as_deref().unwrap_or("pipeline");
    let _ = writeln!(out, "digraph {} {{", quote(name));
    out.push_str("  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    out.push_str("  edge [fontname=\"sans-serif\", fontsize=10];\n");
    for step in &graph.steps {
        let label = format!("{}\n{}", step.name, cells(&step.cells));
        let _ = writeln!(out, "  {} [label={}];", quote(&step.name), quote(&label));
    }
    for edge in &graph.edges {
        let label: Vec<&str> = edge.variables.iter().chain(&edge.resources).map(String::as_str).collect();
        let style = if edge.variables.is_empty() { ", style=dashed" } else { "" };
        let (from, to) = (quote(&edge.from), quote(&edge.to));
        let _ = writeln!(out, "  {from} -> {to} [label={}{style}];", quote(&label.join(", ")));
    }
    out.push_str("}\n");
    out
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
