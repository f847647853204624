//! The rules of names, one by one. CPython agrees with every table here (`tests/oracle/test_scopes.py` asks it about
//! these and many more); these say why.

use super::*;
use crate::python::parse::parse;

/// The table of a source as text: a line per scope, `name: resolution` per name.
fn table_in(minor: u8, source: &str) -> (String, Vec<String>) {
    let version = PythonVersion { major: 3, minor };
    let parsed = parse(source, version);
    assert!(parsed.errors.is_empty(), "{}", parsed.errors[0].message);
    let dialect = Dialect { version, in_notebook: false, future_annotations: false };
    let (table, faults) = SymbolTable::build(source, &parsed.module, dialect);
    let mut lines = vec![];
    describe(&table, SymbolTable::MODULE, &mut lines);
    (lines.join("\n"), faults.into_iter().map(|fault| fault.message).collect())
}

fn describe(table: &SymbolTable, id: ScopeId, lines: &mut Vec<String>) {
    let scope = table.scope(id);
    let names = scope.symbols.iter().map(|(name, symbol)| {
        let place = match symbol.resolution {
            Resolution::Local => "local",
            Resolution::Cell => "cell",
            Resolution::Free => "free",
            Resolution::GlobalExplicit | Resolution::GlobalImplicit => "global",
        };
        format!("{name} {place}")
    });
    lines.push(format!("{}: {}", scope.name, names.collect::<Vec<_>>().join(", ")));
    for child in table.listed_children(id) {
        describe(table, child, lines);
    }
}

#[track_caller]
fn assert_scopes(source: &str, expected: &[&str]) {
    assert_eq!(table_in(11, source), (expected.join("\n"), vec![]));
}

#[track_caller]
fn assert_refused(source: &str, message: &str) {
    assert_eq!(table_in(13, source).1, [message]);
}

#[test]
fn a_name_bound_anywhere_is_local_everywhere() {
    assert_scopes("def f():\n  print(x)\n  x = 1\n", &["top: f local", "f: print global, x local"]);
}

#[test]
fn a_free_variable_passes_through_the_functions_between() {
    let source = "def f(x):\n  def g():\n    def h():\n      return x\n";
    assert_scopes(source, &["top: f local", "f: g local, x cell", "g: h local, x free", "h: x free"]);
}

#[test]
fn functions_do_not_see_the_names_of_the_class_around_them() {
    let source = "x = 1\nclass C:\n  x = 2\n  def f(self):\n    return x\n";
    assert_scopes(source, &["top: C local, x local", "C: f local, x local", "f: self local, x global"]);
}

#[test]
fn a_class_may_bind_the_name_that_its_methods_take_from_around_it() {
    let source = "def f(x):\n  class C:\n    x = x\n    def g(self):\n      return x\n";
    assert_scopes(source, &["top: f local", "f: C local, x cell", "C: g local, x local", "g: self local, x free"]);
}

#[test]
fn super_uses_the_class_that_the_compiler_knows() {
    let source = "class C:\n  def f(self):\n    super().f()\n";
    assert_scopes(source, &["top: C local", "C: f local", "f: __class__ free, self local, super global"]);
}

#[test]
fn private_names_belong_to_their_class() {
    let source = "class _C:\n  __x = 1\n  def f(self, __y):\n    import __z.w\n    return __x, __v__\n";
    let f = "f: _C__x global, _C__y local, _C__z local, __v__ global, self local";
    assert_scopes(source, &["top: _C local", "_C: _C__x local, f local", f]);
}

#[test]
fn a_walrus_binds_outside_of_comprehensions() {
    let source = "def f(s):\n  [[y := x for x in r] for r in s]\n  return y\n";
    let f = "f: s local, y cell";
    let inner = ["listcomp: .0 local, r local, y free", "listcomp: .0 local, x local, y free"];
    assert_scopes(source, &["top: f local", f, inner[0], inner[1]]);
    assert_scopes("[y := x for x in r]\n", &["top: r global, y global", "listcomp: .0 local, x local, y global"]);
}

#[test]
fn comprehensions_are_inlined_since_3_12() {
    let source = "def f(s):\n  return [lambda: x for x in s]\n";
    let (table, _) = table_in(12, source);
    assert_eq!(table, "top: f local\nf: s local, x cell\nlambda: x free");
    let (table, _) = table_in(11, source);
    assert_eq!(table, "top: f local\nf: s local\nlistcomp: .0 local, x cell\nlambda: x free");
}

#[test]
fn type_parameters_have_a_scope_around_what_they_are_for() {
    let source = "class C:\n  n = 1\n  def f[T: n](self, x: T) -> n: return T\n";
    let (table, _) = table_in(13, source);
    let parameters = "f: .defaults local, T cell, __classdict__ free, n global";
    let lines = ["top: C local", "C: f local, n local", parameters, "T: __classdict__ free, n global"];
    assert_eq!(table, format!("{}\nf: T free, self local, x local", lines.join("\n")));
}

#[test]
fn annotations_are_evaluated_lazily_since_3_14() {
    let (table, _) = table_in(14, "class C:\n  x: T\n");
    assert_eq!(table, "top: C local\nC: x local\n__annotate__: .format local, T global, __classdict__ free");
    let (table, _) = table_in(13, "class C:\n  x: T\n");
    assert_eq!(table, "top: C local\nC: T global, x local");
    let (table, _) = table_in(13, "from __future__ import annotations\nclass C:\n  x: T\n");
    assert_eq!(table, "top: C local, annotations local\nC: x local");
}

#[test]
fn what_python_refuses_is_refused() {
    assert_refused("def f():\n  x = 1\n  global x\n", "name `x` is assigned to before global declaration");
    let late = "def f(x):\n  def g():\n    print(x)\n    nonlocal x\n";
    assert_refused(late, "name `x` is used prior to nonlocal declaration");
    assert_refused("def f(x):\n  global x\n", "name `x` is parameter and global");
    assert_refused("def f():\n  nonlocal x\n", "no binding for nonlocal `x` found");
    assert_refused("def f[T]():\n  nonlocal T\n", "nonlocal binding not allowed for type parameter `T`");
    assert_refused("x = 1\nglobal x\n", "name `x` is assigned to before global declaration");
    assert_refused("[[x := 1 for x in r] for r in s]\n", "assignment expression cannot rebind comprehension variable");
    assert_refused("return 1\n", "`return` statement outside of a function");
}

/// IPython compiles the statements of a cell one by one.
#[test]
fn statements_of_a_cell_do_not_come_too_late_for_each_other() {
    let faults = |source: &str| {
        let version = PythonVersion { major: 3, minor: 11 };
        let (_, faults) = SymbolTable::build(source, &parse(source, version).module, Dialect::of_cell(version));
        faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>()
    };
    assert!(faults("x = 1\nglobal x\nfrom __future__ import annotations\nawait x\n").is_empty());
    assert_eq!(faults("if y:\n  x = 1\n  global x\n"), ["name `x` is assigned to before global declaration"]);
}
