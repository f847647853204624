//! The step graph as SVG that reads well on light and dark pages: lines and text take the page's own colour.

use std::fmt::Write;

use kale_model::GraphView;
use kale_model::graph::{GraphEdge, GraphStep};

use super::cells;
use super::geometry::{Line, Rectangle, geometry};

pub fn graph(graph: &GraphView) -> String {
    let drawing = geometry(graph);
    let (width, height) = (drawing.width, drawing.height);
    let mut out = String::new();
    let title = escape(graph.pipeline.as_deref().unwrap_or("no pipeline"));
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 \
         {width:.0} {height:.0}\" role=\"img\" aria-label=\"Steps of {title}\" fill=\"none\" stroke=\"currentColor\" \
         font-family=\"system-ui, sans-serif\">\n<title>{title}</title>\n"
    );
    for (edge, line) in graph.edges.iter().zip(&drawing.edges) {
        out.push_str(&arrow(edge, line));
    }
    for (step, rectangle) in graph.steps.iter().zip(&drawing.steps) {
        out.push_str(&step_box(step, rectangle));
    }
    out.push_str("</svg>\n");
    out
}

fn step_box(step: &GraphStep, rectangle: &Rectangle) -> String {
    let Rectangle { x, y, width, height, detail } = rectangle;
    let centre = x + width / 2.0;
    let name = escape(&step.name);
    let mut tip = format!("{}\n{}", step.name, cells(&step.cells));
    for (what, names) in [("reads", &step.inputs), ("makes", &step.outputs), ("parameters", &step.parameters)] {
        if !names.is_empty() {
            let _ = write!(tip, "\n{what} {}", names.join(", "));
        }
    }
    format!(
        "<g data-step=\"{name}\"><title>{}</title>\n\
         <rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" rx=\"8\" fill=\"#2f80ed\" \
         fill-opacity=\"0.10\" stroke=\"#2f80ed\" stroke-opacity=\"0.75\"/>\n\
         <text x=\"{centre:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"13\" font-weight=\"600\" \
         fill=\"currentColor\" stroke=\"none\">{name}</text>\n\
         <text x=\"{centre:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10.5\" fill=\"currentColor\" \
         fill-opacity=\"0.65\" stroke=\"none\">{}</text></g>\n",
        escape(&tip),
        y + 20.0,
        y + 36.0,
        escape(detail),
    )
}

fn arrow(edge: &GraphEdge, line: &Line) -> String {
    let dashes = if edge.variables.is_empty() { " stroke-dasharray=\"4 4\"" } else { "" };
    let flows: Vec<&str> = edge.variables.iter().chain(&edge.resources).map(String::as_str).collect();
    let flows = if flows.is_empty() { "order only".to_owned() } else { flows.join(", ") };
    let (path, x, y) = (&line.path, line.tip.x, line.tip.y);
    format!(
        "<g stroke-opacity=\"0.55\"><title>{}</title><path d=\"{path}\" stroke-width=\"1.4\"{dashes}/>\
         <path d=\"M{:.1} {:.1}L{x:.1} {y:.1}L{:.1} {:.1}Z\" fill=\"currentColor\" fill-opacity=\"0.55\" \
         stroke=\"none\"/></g>\n",
        escape(&format!("{} → {}: {flows}", edge.from, edge.to)),
        x - 3.5,
        y - 6.0,
        x + 3.5,
        y - 6.0,
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
