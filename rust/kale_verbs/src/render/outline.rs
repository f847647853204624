//! The step graph as a list for the terminal: every step, the cells it holds, and what it gets from whom.

use std::fmt::Write;

use kale_model::GraphView;
use kale_model::graph::{GraphEdge, GraphStep};

use super::{Style, cells, count};

pub fn graph(graph: &GraphView, colour: bool) -> String {
    let style = Style { colour };
    let Some(pipeline) = &graph.pipeline else { return String::new() };
    let mut out = String::new();
    let size = format!("{}, {}", count(graph.steps.len(), "step"), count(graph.edges.len(), "edge"));
    let _ = writeln!(out, "{}  {}", style.bold(pipeline), style.dim(&size));
    for parameter in &graph.parameters {
        let _ = writeln!(out, "  {}: {} = {}", parameter.name, parameter.parameter_type, parameter.default);
    }
    out.push('\n');
    for step in &graph.steps {
        out.push_str(&one_step(graph, step, style));
    }
    out
}

fn one_step(graph: &GraphView, step: &GraphStep, style: Style) -> String {
    let mut out = String::new();
    let cells = style.dim(&cells(&step.cells));
    let _ = writeln!(out, "{} {}  {cells}", style.cyan("●"), style.bold(&step.name));
    for edge in graph.edges.iter().filter(|edge| edge.to == step.name) {
        let _ = writeln!(out, "│   ← {}{}", edge.from, what_flows(edge, style));
    }
    if !step.parameters.is_empty() {
        let _ = writeln!(out, "│   {} {}", style.dim("parameters"), step.parameters.join(", "));
    }
    let metrics: Vec<&str> =
        graph.metrics.iter().filter(|metric| metric.step == step.name).map(|metric| metric.name.as_str()).collect();
    if !metrics.is_empty() {
        let _ = writeln!(out, "│   {} {}", style.dim("metrics"), metrics.join(", "));
    }
    out
}

fn what_flows(edge: &GraphEdge, style: Style) -> String {
    let mut parts = edge.variables.clone();
    parts.extend(edge.resources.iter().map(|resource| style.dim(&format!("({resource})"))));
    if parts.is_empty() {
        return style.dim("  (order only)");
    }
    format!("  {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diamond() {
        insta::assert_snapshot!(graph(&crate::render::svg::tests::diamond(), false), @r"
        churn  4 steps, 4 edges
          depth: int = 3

        ● load  cell 1
        ● forest  cells 2-3
        │   ← load  df
        │   parameters depth
        ● linear  cell 4
        │   ← load  df, (rng:numpy)
        ● compare  cell 5
        │   ← forest  forest_model
        │   ← linear  (order only)
        │   metrics accuracy
        ");
    }
}
