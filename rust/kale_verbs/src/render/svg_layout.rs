//! Where the boxes of a step graph go: a layered drawing, top to bottom.
//!
//! 1. *Layers*: a step lies one layer below the deepest step it depends on.
//! 2. An edge over several layers gets a *waypoint* in each layer between, which takes part in what follows.
//! 3. *Order* inside layers: each node moves to the mean position of its neighbours, down and up in turn, as long as
//!    that removes crossings.
//! 4. *Coordinates*: each node is drawn to the mean of its neighbours; nodes of a layer keep their order and distance,
//!    which is a least-squares fit with an exact solution ([`fit`]).

/// A longer edge is drawn straight: waypoints in very deep graphs would cost more than they show.
const LONGEST_ROUTED_EDGE: usize = 40;
const GAP: f64 = 28.0;
const WAYPOINT_WIDTH: f64 = 4.0;
const SWEEPS: usize = 8;

pub struct Layout {
    /// Centre x of each box.
    pub x: Vec<f64>,
    /// Layer of each box, from 0 at the top.
    pub layer: Vec<usize>,
    /// Per edge, the (x, layer) of its waypoints from top to bottom.
    pub waypoints: Vec<Vec<(f64, usize)>>,
    pub width: f64,
    pub layers: usize,
}

struct Node {
    width: f64,
    layer: usize,
    above: Vec<usize>,
    below: Vec<usize>,
}

/// `widths` of the boxes in topological order, `edges` as (from, to) with from < to.
pub fn layout(widths: &[f64], edges: &[(usize, usize)]) -> Layout {
    let mut nodes = layered(widths, edges);
    let routes: Vec<Vec<usize>> = edges.iter().map(|edge| route(&mut nodes, *edge)).collect();
    let layers = order(&nodes);
    let (x, width) = coordinates(&nodes, &layers);
    let waypoints =
        routes.iter().map(|route| route.iter().map(|&node| (x[node], nodes[node].layer)).collect()).collect();
    let layer = nodes[..widths.len()].iter().map(|node| node.layer).collect();
    Layout { x: x[..widths.len()].to_vec(), layer, waypoints, width, layers: layers.len() }
}

fn layered(widths: &[f64], edges: &[(usize, usize)]) -> Vec<Node> {
    let node = |&width: &f64| Node { width, layer: 0, above: vec![], below: vec![] };
    let mut nodes: Vec<Node> = widths.iter().map(node).collect();
    let mut sorted = edges.to_vec();
    sorted.sort_unstable();
    for (from, to) in sorted {
        nodes[to].layer = nodes[to].layer.max(nodes[from].layer + 1);
    }
    nodes
}

/// Links the two ends of an edge through new waypoints; gives those.
fn route(nodes: &mut Vec<Node>, (from, to): (usize, usize)) -> Vec<usize> {
    let (top, bottom) = (nodes[from].layer, nodes[to].layer);
    let mut waypoints = vec![];
    let mut last = from;
    if bottom - top <= LONGEST_ROUTED_EDGE {
        for layer in top + 1..bottom {
            let next = nodes.len();
            nodes.push(Node { width: WAYPOINT_WIDTH, layer, above: vec![last], below: vec![] });
            nodes[last].below.push(next);
            waypoints.push(next);
            last = next;
        }
    }
    nodes[last].below.push(to);
    nodes[to].above.push(last);
    waypoints
}

fn order(nodes: &[Node]) -> Vec<Vec<usize>> {
    let depth = nodes.iter().map(|node| node.layer + 1).max().unwrap_or(0);
    let mut layers = vec![vec![]; depth];
    for (index, node) in nodes.iter().enumerate() {
        layers[node.layer].push(index);
    }
    let mut best = layers.clone();
    let mut fewest = crossings(nodes, &best);
    for sweep in 0..SWEEPS {
        if fewest == 0 {
            break;
        }
        sort_by_neighbours(nodes, &mut layers, sweep % 2 == 0);
        let now = crossings(nodes, &layers);
        if now < fewest {
            (best, fewest) = (layers.clone(), now);
        }
    }
    best
}

fn positions(count: usize, layers: &[Vec<usize>]) -> Vec<usize> {
    let mut positions = vec![0; count];
    for layer in layers {
        for (position, &node) in layer.iter().enumerate() {
            positions[node] = position;
        }
    }
    positions
}

fn sort_by_neighbours(nodes: &[Node], layers: &mut [Vec<usize>], down: bool) {
    let indices: Vec<usize> = if down { (0..layers.len()).collect() } else { (0..layers.len()).rev().collect() };
    for index in indices {
        let positions = positions(nodes.len(), layers);
        let mean = |node: usize| {
            let neighbours = if down { &nodes[node].above } else { &nodes[node].below };
            let sum: usize = neighbours.iter().map(|&n| positions[n]).sum();
            if neighbours.is_empty() { positions[node] as f64 } else { sum as f64 / neighbours.len() as f64 }
        };
        let mut keyed: Vec<(f64, usize)> = layers[index].iter().map(|&node| (mean(node), node)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        layers[index] = keyed.into_iter().map(|(_, node)| node).collect();
    }
}

/// Pairs of edges between neighbouring layers that cross: inversions, counted by insertion into a sorted list.
fn crossings(nodes: &[Node], layers: &[Vec<usize>]) -> usize {
    let positions = positions(nodes.len(), layers);
    let mut total = 0;
    for layer in layers {
        let mut seen: Vec<usize> = vec![];
        for &node in layer {
            let mut targets: Vec<usize> = nodes[node].below.iter().map(|&below| positions[below]).collect();
            targets.sort_unstable();
            total += targets.iter().map(|&t| seen.len() - seen.partition_point(|&s| s <= t)).sum::<usize>();
            for target in targets {
                seen.insert(seen.partition_point(|&s| s <= target), target);
            }
        }
    }
    total
}

/// Centre x of every node, left edge at 0, and the whole width.
fn coordinates(nodes: &[Node], layers: &[Vec<usize>]) -> (Vec<f64>, f64) {
    let mut x = vec![0.0; nodes.len()];
    for layer in layers {
        place(nodes, layer, &mut x, |_, _| None);
    }
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let indices: Vec<usize> = if down { (0..layers.len()).collect() } else { (0..layers.len()).rev().collect() };
        for index in indices {
            place(nodes, &layers[index], &mut x, |node, x| {
                let neighbours = if down { &nodes[node].above } else { &nodes[node].below };
                let sum: f64 = neighbours.iter().map(|&n| x[n]).sum();
                (!neighbours.is_empty()).then(|| sum / neighbours.len() as f64)
            });
        }
    }
    let left = nodes.iter().zip(&x).map(|(node, x)| x - node.width / 2.0).fold(f64::INFINITY, f64::min);
    let right = nodes.iter().zip(&x).map(|(node, x)| x + node.width / 2.0).fold(f64::NEG_INFINITY, f64::max);
    if nodes.is_empty() {
        return (x, 0.0);
    }
    x.iter_mut().for_each(|x| *x -= left);
    (x, right - left)
}

/// Puts the nodes of a layer as near to where they want to be as their order and distance allow.
fn place(nodes: &[Node], layer: &[usize], x: &mut [f64], wish: impl Fn(usize, &[f64]) -> Option<f64>) {
    let mut offset = 0.0;
    let mut offsets = vec![];
    for (position, &node) in layer.iter().enumerate() {
        if position > 0 {
            offset += (nodes[layer[position - 1]].width + nodes[node].width) / 2.0 + GAP;
        }
        offsets.push(offset);
    }
    let wishes: Vec<f64> =
        layer.iter().zip(&offsets).map(|(&node, offset)| wish(node, x).unwrap_or(x[node]) - offset).collect();
    for ((fitted, offset), &node) in fit(&wishes).into_iter().zip(offsets).zip(layer) {
        x[node] = fitted + offset;
    }
}

/// The non-descending sequence nearest to `wishes` in least squares (pool adjacent violators).
fn fit(wishes: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = vec![];
    for &wish in wishes {
        let mut pool = (wish, 1);
        while let Some(&(mean, size)) = pools.last() {
            if mean <= pool.0 {
                break;
            }
            pools.pop();
            let both = size + pool.1;
            pool = ((mean * size as f64 + pool.0 * pool.1 as f64) / both as f64, both);
        }
        pools.push(pool);
    }
    pools.into_iter().flat_map(|(mean, size)| std::iter::repeat_n(mean, size)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diamond_is_symmetric() {
        let layout = layout(&[100.0, 80.0, 80.0, 100.0], &[(0, 1), (0, 2), (1, 3), (2, 3)]);
        assert_eq!(layout.layer, [0, 1, 1, 2]);
        assert!((layout.x[0] - (layout.x[1] + layout.x[2]) / 2.0).abs() < 1e-6);
        assert!((layout.x[0] - layout.x[3]).abs() < 1e-6);
        assert!(layout.x[2] - layout.x[1] >= 80.0 + GAP - 1e-6);
    }

    #[test]
    fn a_crossing_is_removed() {
        // 0 and 1 on top; 2 hangs below 1, 3 below 0.
        let layout = layout(&[50.0; 4], &[(0, 3), (1, 2)]);
        assert_eq!(layout.x[0] < layout.x[1], layout.x[3] < layout.x[2]);
    }

    #[test]
    fn an_edge_over_layers_goes_around_what_is_between() {
        let layout = layout(&[60.0; 3], &[(0, 1), (1, 2), (0, 2)]);
        let (x, layer) = layout.waypoints[2][0];
        assert_eq!(layer, 1);
        assert!((x - layout.x[1]).abs() >= 30.0);
    }

    #[test]
    fn nothing_has_no_size() {
        assert_eq!(layout(&[], &[]).width, 0.0);
    }

    #[test]
    fn the_fit_pools_violators() {
        assert_eq!(fit(&[1.0, 5.0, 3.0, 7.0]), [1.0, 4.0, 4.0, 7.0]);
    }
}
