use kale_frontend::magics::{CellCode, CodeKind};
use kale_frontend::python::parse::parse;
use kale_frontend::text::span;
use kale_model::CellIndex;

use crate::{PYTHON, blocks_of, lines};

/// The code of a single cell.
fn code(source: &str) -> CellCode {
    let (mut blocks, _) = blocks_of(&[("step:a", source)]);
    blocks.cells.remove(0).code
}

fn diagnostics(source: &str) -> Vec<String> {
    lines(&blocks_of(&[("step:a", source), ("", "keep")]).1)
}

/// What the parser reads; it must be as many lines as what runs, and valid.
fn check_python(source: &str, expected: &str) {
    let code = code(source);
    assert_eq!(code.python, expected, "{source}");
    assert_eq!(code.python.matches('\n').count(), code.run_source.matches('\n').count(), "{source}");
    assert!(parse(&code.python, PYTHON).errors.is_empty(), "{source}");
}

#[test]
fn plain_cells_stay_as_they_are() {
    for source in
        ["x = 1", "x = 1\r\ny = 2\r\n", "x = 1\n\n", "await f()\n", "x = 5 % 3", "# %%time\nx", "'''\n%cd\n'''"]
    {
        let code = code(source);
        assert_eq!((code.python.as_str(), code.run_source.as_str(), code.first_line), (source, source, 1));
        assert_eq!(code.kind, CodeKind::Python);
        assert!(!code.needs_ipython, "{source}");
    }
}

#[test]
fn decoration_is_stripped_as_ipython_does() {
    let check = |source: &str, run: &str, first_line: usize| {
        let code = code(source);
        assert_eq!((code.run_source.as_str(), code.first_line), (run, first_line), "{source}");
        assert_eq!(code.python, code.run_source);
        assert!(!code.needs_ipython);
    };
    check("\n  \n\nx = 1", "x = 1", 4);
    check("    x = 1\n    if x:\n        y\nz", "x = 1\nif x:\n    y\nz", 1);
    check(">>> x = [\n...    1]\n>>> x", "x = [\n   1]\nx", 1);
    check("In [3]: def f():\n   ...:     pass", "def f():\n    pass", 1);
    check("\n\t>>> x", "x", 2);
}

#[test]
fn cell_magics_show_or_hide_their_bodies() {
    check_python("%%time\nx = f()", "\nx = f()");
    check_python("\n%%capture out\n\n  %%time\n  x = 1", "\n\n\nx = 1");
    check_python("%%timeit -n 3 y = 2\nx = y", "y = 2\nx = y");
    check_python("%%bash\necho 'it", "\n");
    check_python("%%prun -s cumulative\nf()", "\nf()");
    check_python("%%time?", "%%time?");
}

#[test]
fn cell_magics_say_what_they_bind_and_read() {
    let strings = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let opaque = |magic: &str| CodeKind::Opaque { magic: magic.to_owned() };
    let file = |path: &str, append| CodeKind::WriteFile { path: path.to_owned(), append };
    let check = |source: &str, kind: CodeKind, binds: &[&str], reads: &[&str]| {
        let code = code(source);
        assert_eq!(code.kind, kind, "{source}");
        assert_eq!((code.binds, code.reads), (strings(binds), strings(reads)), "{source}");
        assert!(code.needs_ipython);
    };
    check("%%capture --no-stderr out\nf()", CodeKind::Python, &["out"], &[]);
    check("%%capture\nf()", CodeKind::Python, &[], &[]);
    check("%%time\nf()", CodeKind::Python, &[], &[]);
    check("%%bash --out text --err=errors -s {a.b} $c\nls", opaque("bash"), &["errors", "text"], &["a", "c"]);
    check("%%!\nls", opaque("!"), &[], &[]);
    check("%%python3\nx = 1", opaque("python3"), &[], &[]);
    check("%%mystery x\nx = 1", opaque("mystery"), &[], &[]);
    check("%%cython -a\ncpdef int f(int x):\n  return x\ndef _g(): pass", opaque("cython"), &["f"], &[]);
    check("%%R -i x,y -o z\nz <- x", opaque("R"), &["z"], &["x", "y"]);
    check("%%html\n<b>", CodeKind::Display, &[], &[]);
    check("%%writefile 'a b.py'\nx", file("a b.py", false), &[], &[]);
    check("%%file -a notes.txt\nx", file("notes.txt", true), &[], &[]);
    check("%%writefile {name}.py\nx", opaque("writefile"), &[], &["name"]);
    assert!(code("%%timeit\nx = 1").scratch);
    assert!(!code("%%time\nx = 1").scratch);
}

#[test]
fn opaque_cells_are_mentioned() {
    assert_eq!(
        diagnostics("\n%%bash -x\nls"),
        ["info opaque-code [0] 2:1-2:10 the compiler cannot see into `%%bash`; the cell is kept as it is"]
    );
    assert_eq!(diagnostics("%%html\n<b>"), [""; 0]);
}

#[test]
fn statements_run_by_magics_are_code_for_the_parser() {
    check_python("%time x = f(1)", "x = f(1)");
    check_python("if a:\n    %time f(1, \\\n      2)", "if a:\n    f(1, \\\n      2)");
    check_python("%timeit -n 10 -r3 f(x)", "f(x)");
    check_python("%timeit y = f(x); z = y", "class __timeit__: y = f(x); z = y");
    check_python("%timeit for i in x: f(i)", "%timeit for i in x: f(i)");
    check_python("%prun -l 5 f()\nx", "f()\nx");
    check_python("x = %time f(1)", "x =       f(1)");
    check_python("%time\nx", "%time\nx");
    check_python("%time f(\nx", "%time f(\nx");
    check_python(
        "%matplotlib inline\n%cd /tmp\nx = !ls {a}\n!echo 'it",
        "%matplotlib inline\n%cd /tmp\nx = !ls {a}\n!echo 'it",
    );
    check_python("df?\n?df\n*int*?\nx", "df?\n?df\npass\nx");
    assert_eq!(code("a\n%time x = 1").operand_lines, [2]);
}

#[test]
fn whether_ipython_is_needed() {
    let check = |source: &str, expected: bool| assert_eq!(code(source).needs_ipython, expected, "{source}");
    check("%time f()", true);
    check("x = !ls", true);
    check("x = %pwd", true);
    check("df?", true);
    check(",f a b", true);
    check("ls -l", true);
    check("%%time\nf()", true);
    check("%pip install x\nf()", false);
    check("%pipeline run\nf()", false);
    check("x = 3 if y else 4 % 2  # %time", false);
}

#[test]
fn automagic_is_for_single_lines_that_no_variable_hides() {
    check_python("ls -l", "%ls -l");
    check_python("timeit f(x)", "f(x)");
    check_python("pwd", "%pwd");
    let python = |cells: &[(&str, &str)]| blocks_of(cells).0.cells.pop().unwrap().code.python;
    assert_eq!(python(&[("", "history = fit()"), ("", "history")]), "history");
    assert_eq!(python(&[("", "%history"), ("", "history")]), "%history");
    assert_eq!(python(&[("", "import time"), ("", "x = 1\ntime")]), "x = 1\ntime");
    assert_eq!(python(&[("skip", "history = fit()"), ("", "history")]), "%history");
}

#[test]
fn installs_become_requirements() {
    let code =
        code("%pip install -q pandas==2.1 numpy\ntry:\n    import x\nexcept ImportError:\n    !pip install x\ny");
    assert_eq!(code.requirements, ["pandas==2.1", "numpy", "x"]);
    assert_eq!(code.run_source, "\ntry:\n    import x\nexcept ImportError:\n    pass\ny");
    assert_eq!(code.python, code.run_source);
    assert_eq!(super::cells::code("pip install x\n").requirements, ["x"]);
    assert_eq!(super::cells::code("!pip install -r r.txt").run_source, "!pip install -r r.txt");
}

#[test]
fn control_lines_are_left_out() {
    let check = |source: &str, run: &str, control_lines: &[usize]| {
        let code = code(source);
        assert_eq!(code.run_source, run, "{source}");
        assert_eq!(code.python, code.run_source, "{source}");
        assert_eq!(code.control_lines, control_lines, "{source}");
    };
    check("%pipeline run\nx = 1", "\nx = 1", &[1]);
    check("%load_ext kale_rs\nx", "\nx", &[1]);
    check("run = %pipeline run n.ipynb\nprint(run.status)\nx", "\n\nx", &[1, 2]);
    check("import kale_rs\nkale_rs.run('a.ipynb')  # go\nx", "import kale_rs\n\nx", &[2]);
    check(
        "import kale_rs as k\nr = k.run(\n  'a',\n)\nprint(r.metrics)\nx",
        "import kale_rs as k\n\n\n\n\nx",
        &[2, 3, 4, 5],
    );
    check("from kale_rs import serve as s\ns(m).predict(x)\ny", "from kale_rs import serve as s\n\ny", &[2]);
    check("import kale_rs\nx = 1; kale_rs.run(); y = 2", "import kale_rs\nx = 1; pass         ; y = 2", &[2]);
    check("import kale_rs\nif a:\n    kale_rs.run()\n    b", "import kale_rs\nif a:\n    pass\n    b", &[3]);
    check("import kale_rs\nwith kale_rs.serve(m) as s:\n    s.predict(x)", "import kale_rs\n\n", &[2, 3]);
    check("import kale_rs\nr = kale_rs.run()\nr = 1\nprint(r)", "import kale_rs\n\nr = 1\nprint(r)", &[2]);
    check(
        "import kale_rs\nkale_rs.metric('a', 1)\nkale_rs.__version__",
        "import kale_rs\nkale_rs.metric('a', 1)\nkale_rs.__version__",
        &[],
    );
    check("import kale_rs\nx = 1; kale_rs.run(\n 1); y = 2", "import kale_rs\nx = 1; pass\ny = 2", &[2, 3]);
}

#[test]
fn a_name_that_is_bound_anew_is_no_result() {
    let unchanged = |source: &str| {
        let source = format!("import kale_rs\nr = kale_rs.run()\n{source}");
        assert_eq!(code(&source).control_lines, [2], "{source}");
    };
    unchanged("r = 1\nprint(r)");
    unchanged("for r in x:\n    print(r)");
    unchanged("with x as r:\n    r.close()");
    unchanged("def r(): pass\nr()");
    unchanged("import x as r\nprint(r)");
    unchanged("from x import r\nprint(r)");
}

#[test]
fn control_is_followed_across_cells_and_mentioned() {
    let (blocks, diagnostics) = blocks_of(&[
        ("", "import kale_rs"),
        ("", "%%time\nrun = kale_rs.run('é')"),
        ("", "run.metrics"),
        ("skip", "kale_rs.run()"),
    ]);
    assert_eq!(blocks.cells.len(), 3, "a cell of which nothing is left is left out");
    assert_eq!(
        lines(&diagnostics),
        [
            "info control-line [1] 2:1-2:23 `kale_rs.run` controls pipelines and is no part of one, so this is left out",
            "info control-line [2] 1:1-1:12 `run` comes from a statement that controls pipelines and is no part of one, so this is left out",
        ]
    );
}

#[test]
fn positions_are_those_of_the_cell_as_the_user_sees_it() {
    let check = |source: &str, word: &str, expected: (usize, usize, usize)| {
        let code = code(source);
        let start = code.python.find(word).unwrap();
        let span = span(CellIndex(0), &code, start, start + word.len());
        assert_eq!((span.start.line, span.start.column, span.end.column), expected, "{source}");
    };
    check("x = 1\nyy", "yy", (2, 1, 3));
    check("'😀é' + yy", "yy", (1, 9, 11));
    check("a\r\n'😀' + yy\r\n", "yy", (2, 8, 10));
    check("a\ryy", "yy", (2, 1, 3));
    check("\n\n%%pipeline step a\n\nyy", "yy", (5, 1, 3));
    check("    a\n    b + yy", "yy", (2, 9, 11));
    check(">>> a\n>>> b + yy", "yy", (2, 9, 11));
    check("%%time\n  a\n  yy", "yy", (3, 3, 5));
    check("%timeit -n 3 yy", "yy", (1, 14, 16));
    check("if a:\n    %time yy", "yy", (2, 11, 13));
    check("%timeit x = yy", "yy", (1, 13, 15));
    check("%%timeit -n 3 yy\nx", "yy", (1, 15, 17));
    check("x = %time '😀', yy", "yy", (1, 17, 19));
    check("timeit yy", "yy", (1, 8, 10));
}
