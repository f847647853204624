//! What Python's compiler refuses because of where it stands: `return` outside of a function, `yield` in a class,
//! `break` outside of a loop, a parameter given twice.
//!
//! The parser's authors keep these rules beside the parser, to be asked at every node; what they want to know about the
//! scopes around, the builder of the table knows. Rules about names are left out here: the table has them exactly.

use std::cell::RefCell;

use ruff_python_ast::{Expr, PythonVersion, Stmt};
use ruff_python_parser::semantic_errors::{
    LazyImportContext, SemanticSyntaxChecker, SemanticSyntaxContext, SemanticSyntaxError, SemanticSyntaxErrorKind,
};
use ruff_text_size::{Ranged, TextRange};

use super::ScopeKind;
use super::build::Builder;

#[derive(Default)]
pub(super) struct Rules(SemanticSyntaxChecker);

impl Rules {
    pub fn statement(&mut self, stmt: &Stmt, builder: &mut Builder) {
        let place = Place { builder, found: RefCell::default() };
        self.0.visit_stmt(stmt, &place);
        report(place.found.into_inner(), builder);
    }

    pub fn expression(&mut self, expr: &Expr, builder: &mut Builder) {
        let place = Place { builder, found: RefCell::default() };
        self.0.visit_expr(expr, &place);
        report(place.found.into_inner(), builder);
    }
}

fn report(found: Vec<SemanticSyntaxError>, builder: &mut Builder) {
    for error in found {
        // Statements of a cell are compiled one by one.
        let is_late = matches!(error.kind, SemanticSyntaxErrorKind::LateFutureImport);
        if !(is_late && builder.table.dialect.in_notebook) {
            builder.fault(error.to_string(), error.range());
        }
    }
}

/// A node, as the scopes around it see it.
struct Place<'b, 's> {
    builder: &'b Builder<'s>,
    found: RefCell<Vec<SemanticSyntaxError>>,
}

impl Place<'_, '_> {
    /// The nearest scope that is not a comprehension.
    fn block(&self) -> (ScopeKind, bool) {
        let mut around = self.builder.around().filter(|scope| !scope.kind.is_comprehension());
        around.next().map_or((ScopeKind::Module, false), |scope| (scope.kind, scope.is_async))
    }

    fn is_in_awaiting_module(&self) -> bool {
        self.builder.table.dialect.in_notebook && self.block().0 == ScopeKind::Module
    }
}

impl SemanticSyntaxContext for Place<'_, '_> {
    fn future_annotations_or_stub(&self) -> bool {
        self.builder.table.dialect.future_annotations
    }

    fn lazy_import_context(&self) -> Option<LazyImportContext> {
        None
    }

    fn python_version(&self) -> PythonVersion {
        let version = self.builder.table.dialect.version;
        PythonVersion { major: version.major, minor: version.minor }
    }

    fn source(&self) -> &str {
        self.builder.source
    }

    fn global(&self, _name: &str) -> Option<TextRange> {
        None
    }

    fn has_nonlocal_binding(&self, _name: &str) -> bool {
        true
    }

    fn in_async_context(&self) -> bool {
        self.is_in_awaiting_module() || self.block() == (ScopeKind::Function, true)
    }

    fn in_await_allowed_context(&self) -> bool {
        self.is_in_awaiting_module() || matches!(self.block().0, ScopeKind::Function | ScopeKind::Lambda)
    }

    fn in_yield_allowed_context(&self) -> bool {
        self.in_function_scope()
    }

    fn in_sync_comprehension(&self) -> bool {
        let comprehensions = self.builder.around().take_while(|scope| scope.kind.is_comprehension());
        comprehensions.into_iter().any(|scope| scope.kind != ScopeKind::Generator && !scope.is_async)
    }

    fn in_module_scope(&self) -> bool {
        self.builder.kind() == ScopeKind::Module
    }

    fn in_function_scope(&self) -> bool {
        matches!(self.builder.kind(), ScopeKind::Function | ScopeKind::Lambda)
    }

    fn in_generator_context(&self) -> bool {
        self.builder.kind() == ScopeKind::Generator
    }

    fn in_notebook(&self) -> bool {
        self.builder.table.dialect.in_notebook
    }

    fn report_semantic_error(&self, error: SemanticSyntaxError) {
        self.found.borrow_mut().push(error);
    }

    fn in_loop_context(&self) -> bool {
        self.builder.in_loop()
    }

    fn is_bound_parameter(&self, _name: &str) -> bool {
        false
    }
}
