//! Where the boxes and lines of a step graph go, in pixels: the SVG prints it, and JupyterLab draws by it.

use std::collections::BTreeMap;
use std::fmt::Write;

use kale_model::GraphView;
use kale_model::graph::GraphStep;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::cells;
use super::svg_layout::{Layout, layout};

const MARGIN: f64 = 12.0;
const BOX_HEIGHT: f64 = 46.0;
const LAYER_HEIGHT: f64 = BOX_HEIGHT + 44.0;
/// Between the end of a line and the box it leads to: the arrow's head.
const HEAD: f64 = 6.0;
/// Width of a character of the 13 px font, taken generously, since the reader's font is not known.
const NAME_CHARACTER: f64 = 8.0;
const DETAIL_CHARACTER: f64 = 6.2;
const LONGEST_DETAIL: usize = 34;

/// The whole drawing; steps and edges in the order of the graph's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Geometry {
    pub width: f64,
    pub height: f64,
    pub steps: Vec<Rectangle>,
    pub edges: Vec<Line>,
}

/// A step's box by its top left corner.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rectangle {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    /// What stands below the step's name: its cells and what it passes on.
    pub detail: String,
}

/// An edge: an SVG path that ends where the arrow's head begins, and the head's tip.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    pub path: String,
    pub tip: Point,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

pub fn geometry(graph: &GraphView) -> Geometry {
    let index: BTreeMap<&str, usize> = graph.steps.iter().enumerate().map(|(i, s)| (s.name.as_str(), i)).collect();
    let edges: Vec<(usize, usize)> =
        graph.edges.iter().map(|edge| (index[edge.from.as_str()], index[edge.to.as_str()])).collect();
    let details: Vec<String> = graph.steps.iter().map(detail).collect();
    let widths: Vec<f64> = graph.steps.iter().zip(&details).map(|(step, detail)| box_width(step, detail)).collect();
    let layout = layout(&widths, &edges);
    let boxes = details.into_iter().enumerate().map(|(number, detail)| Rectangle {
        x: tenths(MARGIN + layout.x[number] - widths[number] / 2.0),
        y: tenths(top(layout.layer[number])),
        width: tenths(widths[number]),
        height: BOX_HEIGHT,
        detail,
    });
    let lines = edges.iter().zip(&layout.waypoints).map(|(ends, waypoints)| line(*ends, &layout, waypoints));
    let layers = layout.layers as f64 * LAYER_HEIGHT - (LAYER_HEIGHT - BOX_HEIGHT);
    Geometry {
        width: (layout.width + 2.0 * MARGIN).round(),
        height: (layers.max(0.0) + 2.0 * MARGIN).round(),
        steps: boxes.collect(),
        edges: lines.collect(),
    }
}

/// The second line of a box.
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

/// A curve from box to box through the edge's waypoints, vertical at every point.
fn line((from, to): (usize, usize), layout: &Layout, waypoints: &[(f64, usize)]) -> Line {
    let start = (MARGIN + layout.x[from], top(layout.layer[from]) + BOX_HEIGHT);
    let end = (MARGIN + layout.x[to], top(layout.layer[to]) - HEAD);
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
    Line { path, tip: Point { x: tenths(end.0), y: tenths(end.1 + HEAD) } }
}

fn tenths(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::super::svg::tests::diamond;
    use super::*;

    #[test]
    fn lines_lead_from_box_to_box() {
        let view = diamond();
        let drawing = geometry(&view);
        assert_eq!((drawing.steps.len(), drawing.edges.len()), (4, 4));
        for (edge, line) in view.edges.iter().zip(&drawing.edges) {
            let place = |name: &str| view.steps.iter().position(|step| step.name == name).unwrap();
            let (from, to) = (&drawing.steps[place(&edge.from)], &drawing.steps[place(&edge.to)]);
            assert!((line.tip.x - (to.x + to.width / 2.0)).abs() < 0.2 && line.tip.y == to.y);
            assert!(line.path.starts_with(&format!("M{:.1} {:.1}C", from.x + from.width / 2.0, from.y + BOX_HEIGHT)));
        }
        let is_inside = |each: &Rectangle| each.x >= 0.0 && each.x + each.width <= drawing.width;
        assert!(drawing.steps.iter().all(is_inside));
    }

    /// Layered at random, as notebooks of five hundred cells are: wide in some places, with long edges.
    #[test]
    fn five_hundred_steps_take_no_time() {
        let mut view = diamond();
        let (step, edge) = (view.steps[0].clone(), view.edges[0].clone());
        let mut chance = 1_u64;
        let mut below = |limit: usize| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (chance >> 33) as usize % limit
        };
        view.steps = (0..500).map(|n| GraphStep { name: format!("step_{n}"), ..step.clone() }).collect();
        view.edges = (1..500)
            .flat_map(|to| (0..3).map(move |_| to))
            .map(|to| (to - 1 - below(to.min(40)), to))
            .map(|(from, to)| kale_model::graph::GraphEdge {
                from: format!("step_{from}"),
                to: format!("step_{to}"),
                ..edge.clone()
            })
            .collect();
        let began = std::time::Instant::now();
        let drawing = geometry(&view);
        let took = began.elapsed();
        assert_eq!((drawing.steps.len(), drawing.edges.len()), (500, 1497));
        println!("500 steps and 1497 edges: {took:?}");
        // Not optimised, and on a busy machine: a release takes a tenth.
        assert!(took.as_secs_f64() < 5.0, "{took:?}");
    }
}
