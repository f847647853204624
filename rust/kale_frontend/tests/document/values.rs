//! Parameters and metrics.

use std::collections::BTreeSet;

use kale_frontend::blocks::BlockCell;
use kale_frontend::metrics::metric_sites;
use kale_frontend::parameters::parameters;
use kale_frontend::python::parse::parse;
use kale_model::Parameter;

use crate::{PYTHON, blocks_of, lines};

fn cell(tag: &str, source: &str) -> BlockCell {
    let (mut blocks, diagnostics) = blocks_of(&[(tag, source)]);
    assert_eq!(lines(&diagnostics), [""; 0]);
    blocks.cells.remove(0)
}

fn read_parameters(source: &str) -> (Vec<Parameter>, Vec<String>) {
    let cell = cell("parameters", source);
    let module = parse(&cell.code.python, PYTHON).module;
    let (parameters, diagnostics) = parameters(&[(&cell, &module)]);
    (parameters, lines(&diagnostics))
}

#[test]
fn literals_are_parameters() {
    let check = |source: &str, expected: &str| {
        let (parameters, diagnostics) = read_parameters(source);
        let told: Vec<String> =
            parameters.iter().map(|p| format!("{}: {} = {}", p.name, p.parameter_type.as_str(), p.default)).collect();
        assert_eq!(told.join("; "), expected, "{source}");
        assert_eq!(diagnostics, [""; 0], "{source}");
    };
    check("a = 1", "a: int = 1");
    check("a = -1; b = +2.5; c = --3", "a: int = -1; b: float = 2.5; c: int = 3");
    check("_a = True\nb: bool = False", "_a: bool = true; b: bool = false");
    check("a = 'it\\'s\\n' \"höher\"", "a: str = \"it's\\nhöher\"");
    check("a = [1, -2.5, 'x', [None], {'k': True}]", "a: list = [1,-2.5,\"x\",[null],{\"k\":true}]");
    check("a = {'x': {'y': []}}", "a: dict = {\"x\":{\"y\":[]}}");
    check("a = None", "a: json = null");
    check("a = 1e999; b = -1e999", "a: float = \"Infinity\"; b: float = \"-Infinity\"");
    check(
        "a = 18446744073709551615; b = -9223372036854775808",
        "a: int = 18446744073709551615; b: int = -9223372036854775808",
    );
    check("a: float = 1", "a: float = 1");
    check("a: int | None = 5; b: Optional[str] = None", "a: int = 5; b: json = null");
    check(
        "a: typing.Optional[float] = 1; b: 'int' = 2; c: 'int | None' = None",
        "a: float = 1; b: int = 2; c: json = null",
    );
    check("a: Union[int, float] = 1; b: int | str = 1; c: Any = 's'", "a: float = 1; b: json = 1; c: json = \"s\"");
    check(
        "a: list[int] = [1]; b: Dict[str, int] = {}; c: Annotated[int, 'x'] = 1",
        "a: list = [1]; b: dict = {}; c: int = 1",
    );
    check("a: Path = 'x'; b: Literal['u', 'v'] = 'u'", "a: str = \"x\"; b: str = \"u\"");
    check("import os\nprint('x')\na: int\nif a:\n    b = 1", "");
}

#[test]
fn what_is_computed_is_no_parameter() {
    let check = |source: &str, place: &str, what: &str, cause: &str| {
        let (parameters, diagnostics) = read_parameters(source);
        let what = if what.is_empty() { "the targets of this assignment".to_owned() } else { format!("`{what}`") };
        assert_eq!(
            diagnostics,
            [format!("info not-a-parameter [0] {place} {what} cannot be set by a run, since {cause}")]
        );
        assert_eq!(parameters.len(), usize::from(source.starts_with("a = 1\n")));
    };
    let computed = "its value is not a literal";
    check("a = 1\nb = a * 2", "2:5-2:10", "b", computed);
    check("a = float('inf')", "1:5-1:17", "a", computed);
    check("a = f'x'", "1:5-1:9", "a", computed);
    check("a = -b", "1:5-1:7", "a", computed);
    check("a = not True", "1:5-1:13", "a", computed);
    check("a = [1, b]", "1:5-1:11", "a", computed);
    check("a = (1, 2)", "1:5-1:11", "a", "tuples have no JSON form; a list would be a parameter");
    check("a = [(1, 2)]", "1:5-1:13", "a", "tuples have no JSON form; a list would be a parameter");
    check("a = {1}", "1:5-1:8", "a", "sets have no JSON form; a list would be a parameter");
    check("a = {1: 2}", "1:5-1:11", "a", "JSON only has texts as the keys of a dict");
    check("a = {**b}", "1:5-1:10", "a", "JSON only has texts as the keys of a dict");
    check("a = b'x'", "1:5-1:9", "a", "bytes have no JSON form");
    check("a = 3j", "1:5-1:7", "a", "complex numbers have no JSON form");
    check("a = 99999999999999999999", "1:5-1:25", "a", "its integer is beyond 64 bits");
    check("a = [1e999]", "1:5-1:12", "a", "infinity inside a list or dict has no JSON form");
    check("a, b = 1, 2", "1:1-1:5", "", "several names are assigned at once");
    check("a = b = 1", "1:1-1:2", "", "several names are assigned at once");
    check("%time a = 1\nx", "1:11-1:12", "a", "a magic runs the assignment");
    check("%%time\na = 1", "2:5-2:6", "a", "a magic runs the assignment");
}

#[test]
fn the_first_literal_is_the_parameter() {
    let (parameters, diagnostics) = read_parameters("'😀'; a = 1\na = 2");
    assert_eq!((parameters[0].default.as_i64(), parameters[0].span.start.column), (Some(1), 11));
    assert_eq!(
        diagnostics,
        [
            "info parameter-reassigned [0] 2:5-2:6 the parameter `a` is assigned again, so a run's value for it has no effect below"
        ]
    );
}

#[test]
fn defaults_fit_their_annotations() {
    let check = |source: &str, message: &str| {
        let (_, diagnostics) = read_parameters(source);
        assert_eq!(diagnostics, [format!("error parameter-default [0] {message}")], "{source}");
    };
    check(
        "a: int = 'x'",
        "1:10-1:13 the default of the parameter `a: int` does not fit: `\"x\"` is not an int, such as 10",
    );
    check(
        "a: int = 1.5",
        "1:10-1:13 the default of the parameter `a: int` does not fit: `1.5` is not an int, such as 10",
    );
    check("a: str = None", "1:10-1:14 the default of the parameter `a: str` does not fit: `null` is not a str");
    check(
        "a: list = {}",
        "1:11-1:13 the default of the parameter `a: list` does not fit: `{}` is not a list in JSON, such as [1, 2]",
    );
}

/// `name@statement.argument(reads)` for each metric.
fn check_metrics(source: &str, expected: &str, expected_diagnostics: &[&str]) {
    let cell = cell("pipeline-metrics", source);
    let module = parse(&cell.code.python, PYTHON).module;
    let (found, diagnostics) = metric_sites(&cell, &module, &mut BTreeSet::new());
    let told: Vec<String> = found
        .iter()
        .map(|metric| {
            let site = &metric.site;
            let argument = site.argument.map_or_else(String::new, |argument| format!(".{argument}"));
            format!("{}@{}{argument}({})", site.name, site.statement, metric.reads.join(","))
        })
        .collect();
    assert_eq!(told.join(" "), expected, "{source}");
    assert_eq!(lines(&diagnostics), expected_diagnostics, "{source}");
}

#[test]
fn statements_are_metrics() {
    check_metrics("print(val_loss)\nprint(ACC)", "val_loss@0.0(val_loss) ACC@1.0(ACC)", &[]);
    check_metrics("accuracy\nprint()", "accuracy@0(accuracy)", &[]);
    check_metrics("print('acc', x)\nprint('Test loss:', y, end='')", "acc@0.1(x) test_loss@1.1(y)", &[]);
    check_metrics("print('a', x, 'b:', y)\nprint(u, v)", "a@0.1(x) b@0.3(y) u@1.0(u) v@1.1(v)", &[]);
    check_metrics("print(scores['f1'])", "scores_f1@0.0(scores)", &[]);
    check_metrics("model.score(X, y)", "model_score_x_y@0(X,model,y)", &[]);
    check_metrics("1 - error", "1_error@0(error)", &[]);
    check_metrics("'text'\nplt.show()\ndisplay(df)\nkale_rs.metric('a', 1)\nmetric('b', 2)", "", &[]);
    check_metrics("metric(y, p)", "metric_y_p@0(metric,p,y)", &[]);
    check_metrics("import math\nx = 1\n%matplotlib inline\nprint(x)", "x@3.0(x)", &[]);
    check_metrics("  print(x)", "x@0.0(x)", &[]);
    check_metrics("höhe", "höhe@0(höhe)", &[]);
}

#[test]
fn repeated_metrics_get_a_suffix() {
    check_metrics(
        "print(a)\nprint('a', b)\na",
        "a@0.0(a) a_2@1.1(b) a_3@2(a)",
        &[
            "warning duplicate-metric [0] 2:12-2:13 a metric `a` exists already, so this one is called `a_2`",
            "warning duplicate-metric [0] 3:1-3:2 a metric `a` exists already, so this one is called `a_3`",
        ],
    );
}

#[test]
fn what_has_no_number_is_no_metric() {
    let check = |source: &str, place: &str, cause: &str| {
        check_metrics(source, "", &[&format!("warning not-a-metric [0] {place} this is no metric: {cause}")]);
    };
    let text = "its value is a text with the number inside";
    check("print(f'acc: {acc}')", "1:7-1:20", text);
    check("print('acc: %.2f' % acc)", "1:7-1:24", text);
    check("print('acc {}'.format(acc))", "1:7-1:27", text);
    check("print('done')", "1:1-1:14", "`done` is a text and no number");
    check("a, b", "1:1-1:5", "its value is not one number but several");
    check("print(*scores)", "1:7-1:14", "how many values it stands for is not known");
    check("for x in xs:\n    print(x)", "1:1-2:13", "only statements of the cell itself are metrics, not of blocks");
    check("%%time\nprint(x)", "2:1-2:9", "a magic runs the statement, which hides its value");
}
