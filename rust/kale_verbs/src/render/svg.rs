//! The step graph as SVG that reads well on light and dark pages: lines and text take the page's own colour.

use std::collections::BTreeMap;
use std::fmt::Write;

use kale_model::GraphView;
use kale_model::graph::{GraphEdge, GraphStep};
use unicode_width::UnicodeWidthStr;

use super::cells;
use super::svg_layout::{Layout, layout};

const MARGIN: f64 = 12.0;
const BOX_HEIGHT: f64 = 46.0;
const LAYER_HEIGHT: f64 = BOX_HEIGHT + 44.0;
/// Width of a character of the 13 px font, taken generously, since the reader's font is not known.
const NAME_CHARACTER: f64 = 8.0;
const DETAIL_CHARACTER: f64 = 6.2;
const LONGEST_DETAIL: usize = 34;

pub fn graph(graph: &GraphView) -> String {
    let index: BTreeMap<&str, usize> = graph.steps.iter().enumerate().map(|(i, s)| (s.name.as_str(), i)).collect();
    let edges: Vec<(usize, usize)> =
        graph.edges.iter().map(|edge| (index[edge.from.as_str()], index[edge.to.as_str()])).collect();
    let details: Vec<String> = graph.steps.iter().map(detail).collect();
    let widths: Vec<f64> = graph.steps.iter().zip(&details).map(|(step, detail)| box_width(step, detail)).collect();
    let layout = layout(&widths, &edges);
    let width = layout.width + 2.0 * MARGIN;
    let height = (layout.layers as f64 * LAYER_HEIGHT - (LAYER_HEIGHT - BOX_HEIGHT)).max(0.0) + 2.0 * MARGIN;

    let mut out = String::new();
    let title = escape(graph.pipeline.as_deref().unwrap_or("no pipeline"));
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 \
         {width:.0} {height:.0}\" role=\"img\" aria-label=\"Steps of {title}\" fill=\"none\" stroke=\"currentColor\" \
         font-family=\"system-ui, sans-serif\">\n<title>{title}</title>\n"
    );
    for (edge, (number, ends)) in graph.edges.iter().zip(edges.iter().enumerate()) {
        out.push_str(&edge_path(edge, *ends, &layout, &layout.waypoints[number]));
    }
    for (number, step) in graph.steps.iter().enumerate() {
        out.push_str(&step_box(step, &details[number], layout.x[number], layout.layer[number], widths[number]));
    }
    out.push_str("</svg>\n");
    out
}

/// The second line of a box: its cells and what it passes on.
fn detail(step: &GraphStep) -> String {
    let mut text = cells(&step.cells);
    for (number, name) in step.outputs.iter().enumerate() {
        let joint = if number == 0 { " → " } else { ", " };
        if text.chars().count() + joint.len() + name.chars().count() > LONGEST_DETAIL {
            return text + joint + "…";
        }
        text = text + joint + name;
    }
    text
}

fn box_width(step: &GraphStep, detail: &str) -> f64 {
    let name = step.name.width() as f64 * NAME_CHARACTER;
    (name.max(detail.width() as f64 * DETAIL_CHARACTER) + 28.0).max(84.0)
}

fn top(layer: usize) -> f64 {
    MARGIN + layer as f64 * LAYER_HEIGHT
}

fn step_box(step: &GraphStep, detail: &str, x: f64, layer: usize, width: f64) -> String {
    let (left, centre, top) = (MARGIN + x - width / 2.0, MARGIN + x, top(layer));
    let name = escape(&step.name);
    let mut tip = format!("{}\n{}", step.name, cells(&step.cells));
    for (what, names) in [("reads", &step.inputs), ("makes", &step.outputs), ("parameters", &step.parameters)] {
        if !names.is_empty() {
            let _ = write!(tip, "\n{what} {}", names.join(", "));
        }
    }
    format!(
        "<g data-step=\"{name}\"><title>{}</title>\n\
         <rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{BOX_HEIGHT}\" rx=\"8\" fill=\"#2f80ed\" \
         fill-opacity=\"0.10\" stroke=\"#2f80ed\" stroke-opacity=\"0.75\"/>\n\
         <text x=\"{centre:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"13\" font-weight=\"600\" \
         fill=\"currentColor\" stroke=\"none\">{name}</text>\n\
         <text x=\"{centre:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10.5\" fill=\"currentColor\" \
         fill-opacity=\"0.65\" stroke=\"none\">{}</text></g>\n",
        escape(&tip),
        top + 20.0,
        top + 36.0,
        escape(detail),
    )
}

/// A curve from box to box through the edge's waypoints, vertical at every point.
fn edge_path(edge: &GraphEdge, (from, to): (usize, usize), layout: &Layout, waypoints: &[(f64, usize)]) -> String {
    let start = (MARGIN + layout.x[from], top(layout.layer[from]) + BOX_HEIGHT);
    let end = (MARGIN + layout.x[to], top(layout.layer[to]) - 6.0);
    let mut points = vec![start];
    for &(x, layer) in waypoints {
        points.push((MARGIN + x, top(layer)));
        points.push((MARGIN + x, top(layer) + BOX_HEIGHT));
    }
    points.push(end);
    let mut path = format!("M{:.1} {:.1}", start.0, start.1);
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let bend = (y1 - y0) / 2.0;
        let _ = write!(path, "C{x0:.1} {:.1} {x1:.1} {:.1} {x1:.1} {y1:.1}", y0 + bend, y1 - bend);
    }
    let dashes = if edge.variables.is_empty() { " stroke-dasharray=\"4 4\"" } else { "" };
    let flows: Vec<&str> = edge.variables.iter().chain(&edge.resources).map(String::as_str).collect();
    let flows = if flows.is_empty() { "order only".to_owned() } else { flows.join(", ") };
    let (x, y) = end;
    format!(
        "<g stroke-opacity=\"0.55\"><title>{}</title><path d=\"{path}\" stroke-width=\"1.4\"{dashes}/>\
         <path d=\"M{:.1} {y:.1}L{x:.1} {:.1}L{:.1} {y:.1}Z\" fill=\"currentColor\" fill-opacity=\"0.55\" \
         stroke=\"none\"/></g>\n",
        escape(&format!("{} → {}: {flows}", edge.from, edge.to)),
        x - 3.5,
        y + 6.0,
        x + 3.5,
    )
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use kale_model::graph::{GraphMetric, GraphParameter};
    use serde_json::json;

    pub fn diamond() -> GraphView {
        let step = |name: &str, cells: &[usize], outputs: &[&str]| GraphStep {
            name: name.to_owned(),
            cells: cells.to_vec(),
            inputs: vec![],
            outputs: outputs.iter().map(|&o| o.to_owned()).collect(),
            parameters: vec![],
        };
        let edge = |from: &str, to: &str, variables: &[&str], resources: &[&str]| GraphEdge {
            from: from.to_owned(),
            to: to.to_owned(),
            variables: variables.iter().map(|&v| v.to_owned()).collect(),
            resources: resources.iter().map(|&r| r.to_owned()).collect(),
            declared: variables.is_empty(),
        };
        let mut forest = step("forest", &[2, 3], &["forest_model"]);
        forest.parameters.push("depth".to_owned());
        GraphView {
            why: None,
            pipeline: Some("churn".to_owned()),
            steps: vec![step("load", &[1], &["df"]), forest, step("linear", &[4], &[]), step("compare", &[5], &[])],
            edges: vec![
                edge("load", "forest", &["df"], &[]),
                edge("load", "linear", &["df"], &["rng:numpy"]),
                edge("forest", "compare", &["forest_model"], &[]),
                edge("linear", "compare", &[], &[]),
            ],
            parameters: vec![GraphParameter {
                name: "depth".to_owned(),
                parameter_type: "int".to_owned(),
                default: json!(3),
            }],
            metrics: vec![GraphMetric { name: "accuracy".to_owned(), step: "compare".to_owned() }],
            diagnostics: vec![],
        }
    }

    #[test]
    fn every_step_and_edge_is_drawn_and_names_are_escaped() {
        let mut view = diamond();
        view.edges[0].variables = vec!["a<b".to_owned()];
        let svg = graph(&view);
        assert_eq!(svg.matches("<rect").count(), 4);
        assert_eq!(svg.matches(" → ").count(), 4 + 2);
        assert!(svg.contains("load → forest: a&lt;b"));
        assert!(svg.contains("stroke-dasharray"));
    }

    #[test]
    fn a_graph_without_steps_is_an_empty_picture() {
        let svg = graph(&GraphView::new(None, vec![]));
        assert!(svg.starts_with("<svg") && !svg.contains("<rect"));
    }
}
