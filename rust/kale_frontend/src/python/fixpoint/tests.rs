//! How much work recursions are: bodies evaluated, which no clock and no other load of the machine changes.

use kale_model::{Environment, PythonVersion};

use crate::python::analyzer::{Unit, analyze};
use crate::python::knowledge::Knowledge;
use crate::python::parse::parse_cells;

/// How often bodies of functions are evaluated for a notebook of these cells.
fn evaluated(sources: &[String]) -> usize {
    let parsed = parse_cells(sources.iter().map(String::as_str), PythonVersion { major: 3, minor: 11 });
    let units: Vec<Unit> = sources
        .iter()
        .zip(&parsed)
        .map(|(source, cell)| {
            assert!(cell.syntax.errors.is_empty(), "{source}");
            Unit {
                source,
                module: &cell.syntax.module,
                table: &cell.table,
                parameters: &[],
                binds: &[],
                reads: &[],
                scratch: false,
                resources: &[],
                pragmas: &[],
            }
        })
        .collect();
    let environment = Environment::default();
    analyze(&units, Knowledge::shipped(&environment), &environment).evaluated
}

/// Twice as much of a shape is about twice the work.
fn grows_evenly(shape: impl Fn(usize) -> Vec<String>) {
    let work: Vec<usize> = [8, 16, 32].map(|size| evaluated(&shape(size))).into();
    assert!(work[0] > 0 && work.windows(2).all(|pair| pair[1] <= pair[0] * 5 / 2), "{work:?}");
}

fn lines(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("\n")
}

#[test]
fn functions_that_all_call_each_other() {
    grows_evenly(|n| {
        let calls = lines((0..n).map(|j| format!("    f{j}(b, a, k - 1)")));
        let define = |i| format!("def f{i}(a, b, k):\n    a.append({i})\n{calls}");
        vec![lines((0..n).map(define)), "x, y = [], []".to_owned(), "f0(x, y, 3)".to_owned(), "f1(y, x, 3)".to_owned()]
    });
}

#[test]
fn every_function_of_a_circle_is_called() {
    grows_evenly(|n| {
        let define = |i| format!("def f{i}(a, k):\n    a.append({i})\n    return f{}(a, k - 1)", (i + 1) % n);
        vec![lines((0..n).map(define)), "x = []".to_owned(), lines((0..n).map(|i| format!("f{i}(x, 3)")))]
    });
}

#[test]
fn every_function_calls_the_one_before_it_and_the_one_behind_it() {
    grows_evenly(|n| {
        let define = |i| format!("def f{i}(a):\n    a.append({i})\n    return f{}(a) or f{}(a)", i - 1, i + 1);
        vec![lines((1..=n).map(define)), "def f0(a): return []".to_owned(), "x = []\nf1(x)".to_owned()]
    });
}

#[test]
fn objects_that_may_call_each_others_methods() {
    grows_evenly(|n| {
        let define = |i| {
            format!(
                "class C{i}:\n    def __len__(self):\n        self.items.append({i})\n        return len(self.items)\n    \
                 def __eq__(self, other):\n        self.items.append({i})\n        return self.items == other.items"
            )
        };
        let all = (0..n).map(|i| format!("C{i}()")).collect::<Vec<_>>().join(", ");
        vec![lines((0..n).map(define)), format!("import foo\nx = [{all}]"), "foo.anything(x)".to_owned()]
    });
}

#[test]
fn classes_that_a_recursive_function_makes() {
    let source = "def make(k):\n    class C:\n        def go(self):\n            return make(k - 1)\n    c = C()\n    c.go()\n    return [c]";
    assert!(evaluated(&[source.to_owned(), "a = make(3)".to_owned()]) < 20);
}
