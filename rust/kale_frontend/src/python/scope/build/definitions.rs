//! Functions, classes, type aliases, and the scopes of their annotations and type parameters.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{
    Decorator, Expr, ExprLambda, Identifier, Parameters, StmtAnnAssign, StmtClassDef, StmtFunctionDef, StmtTypeAlias,
    TypeParam, TypeParams,
};
use ruff_text_size::Ranged;

use super::{Builder, Class, ScopeKind, Uses};

impl Builder<'_> {
    pub(super) fn function(&mut self, def: &StmtFunctionDef) {
        self.bind(&def.name);
        self.defaults(&def.parameters);
        if self.since(12) {
            self.decorators(&def.decorator_list);
        }
        let generic = def.type_params.as_deref();
        if let Some(parameters) = generic {
            self.enter_type_parameters(parameters, &def.name, false);
            self.note_defaults(&def.parameters);
            self.type_parameters(parameters);
        }
        self.signature(def);
        if !self.since(12) {
            self.decorators(&def.decorator_list);
        }
        self.enter(ScopeKind::Function, &def.name, def.range(), def.name.start());
        let id = self.current_id();
        self.table.scopes[id.0].is_async = def.is_async;
        self.parameters(&def.parameters);
        self.visit_body(&def.body);
        self.exit();
        if generic.is_some() {
            self.exit();
        }
    }

    fn decorators(&mut self, decorators: &[Decorator]) {
        decorators.iter().for_each(|decorator| self.visit_expr(&decorator.expression));
    }

    fn defaults(&mut self, parameters: &Parameters) {
        for default in parameters.iter_non_variadic_params().filter_map(|parameter| parameter.default.as_deref()) {
            self.visit_expr(default);
        }
    }

    /// The scope around a generic function gets the values of the defaults as parameters.
    fn note_defaults(&mut self, parameters: &Parameters) {
        self.define(".defaults", Uses::PARAMETER, parameters.range());
        if parameters.kwonlyargs.iter().any(|parameter| parameter.default.is_some()) {
            self.define(".kwdefaults", Uses::PARAMETER, parameters.range());
        }
    }

    fn parameters(&mut self, parameters: &Parameters) {
        for parameter in parameters.iter() {
            self.define(parameter.name(), Uses::PARAMETER, parameter.range());
        }
    }

    /// The annotations of parameters and result.
    fn signature(&mut self, def: &StmtFunctionDef) {
        let parameters = &def.parameters;
        let is_lazy = self.table.dialect.has_lazy_annotations();
        let has_scope = is_lazy || self.table.dialect.future_annotations;
        if has_scope {
            let in_class = self.kind() == ScopeKind::Class || self.current().sees_class;
            self.enter(ScopeKind::Annotations, "__annotate__", parameters.range(), def.name.start());
            if in_class && is_lazy {
                self.see_class(parameters.range());
            }
        }
        let positional = parameters.posonlyargs.iter().chain(&parameters.args).map(|p| &p.parameter);
        let variadic = parameters.vararg.iter().chain(&parameters.kwarg).map(AsRef::as_ref);
        let keyword = parameters.kwonlyargs.iter().map(|p| &p.parameter);
        for annotation in positional.chain(variadic).chain(keyword).filter_map(|p| p.annotation.as_deref()) {
            self.visit_expr(annotation);
        }
        if let Some(returns) = def.returns.as_deref() {
            self.visit_expr(returns);
        }
        if has_scope {
            self.exit();
        }
    }

    pub(super) fn lambda(&mut self, lambda: &ExprLambda) {
        if let Some(parameters) = lambda.parameters.as_deref() {
            self.defaults(parameters);
        }
        self.enter(ScopeKind::Lambda, "lambda", lambda.range(), lambda.start());
        if let Some(parameters) = lambda.parameters.as_deref() {
            self.parameters(parameters);
        }
        self.visit_expr(&lambda.body);
        self.exit();
    }

    pub(super) fn class(&mut self, def: &StmtClassDef) {
        self.bind(&def.name);
        if self.since(12) {
            self.decorators(&def.decorator_list);
        }
        match def.type_params.as_deref() {
            None => self.class_body(def),
            Some(parameters) => {
                self.enter_type_parameters(parameters, &def.name, true);
                let only = self.since(13).then(BTreeSet::new);
                let outer = self.class.replace(Class { name: def.name.id.clone(), only });
                self.type_parameters(parameters);
                self.class_body(def);
                self.class = outer;
                self.exit();
            }
        }
    }

    fn class_body(&mut self, def: &StmtClassDef) {
        if let Some(arguments) = &def.arguments {
            self.visit_arguments(arguments);
        }
        if !self.since(12) {
            self.decorators(&def.decorator_list);
        }
        self.enter(ScopeKind::Class, &def.name, def.range(), def.name.start());
        let around = self.class.replace(Class { name: def.name.id.clone(), only: None });
        if def.type_params.is_some() {
            self.define("__type_params__", Uses::ASSIGNED, def.range());
            self.define(".type_params", Uses::REFERENCED, def.range());
        }
        self.visit_body(&def.body);
        self.class = around;
        self.exit();
    }

    // Type parameters and annotations.

    fn enter_type_parameters(&mut self, parameters: &TypeParams, name: &Identifier, of_class: bool) {
        let in_class = self.kind() == ScopeKind::Class;
        self.enter(ScopeKind::TypeParameters, name, parameters.range(), name.start());
        if in_class {
            self.see_class(parameters.range());
        }
        if of_class {
            self.define(".type_params", Uses::ASSIGNED | Uses::REFERENCED, parameters.range());
            self.define(".generic_base", Uses::ASSIGNED | Uses::REFERENCED, parameters.range());
        }
    }

    fn type_parameters(&mut self, parameters: &TypeParams) {
        for parameter in parameters.iter() {
            let name = parameter.name();
            if let Some(only) = self.class.as_mut().and_then(|class| class.only.as_mut()) {
                only.insert(name.id.clone());
            }
            self.define(name, Uses::TYPE_PARAMETER | Uses::ASSIGNED, name.range());
            if let TypeParam::TypeVar(variable) = parameter
                && let Some(bound) = variable.bound.as_deref()
            {
                self.type_variable(name, bound);
            }
            if let Some(default) = parameter.default() {
                self.type_variable(name, default);
            }
        }
    }

    /// The bound or default of a type parameter, evaluated when asked for.
    fn type_variable(&mut self, name: &Identifier, value: &Expr) {
        let sees_class = self.current().sees_class;
        self.enter(ScopeKind::TypeVariable, name, value.range(), value.start());
        if sees_class {
            self.see_class(value.range());
        }
        self.visit_expr(value);
        self.exit();
    }

    pub(super) fn type_alias(&mut self, alias: &StmtTypeAlias) {
        self.visit_expr(&alias.name);
        let Expr::Name(name) = alias.name.as_ref() else { return };
        let in_class = self.kind() == ScopeKind::Class;
        let name = Identifier { id: name.id.clone(), range: name.range, node_index: name.node_index.clone() };
        if let Some(parameters) = alias.type_params.as_deref() {
            self.enter_type_parameters(parameters, &name, false);
            self.type_parameters(parameters);
        }
        self.enter(ScopeKind::TypeAlias, &name, alias.range(), alias.start());
        if in_class {
            self.see_class(alias.value.range());
        }
        self.visit_expr(&alias.value);
        self.exit();
        if alias.type_params.is_some() {
            self.exit();
        }
    }

    pub(super) fn annotated(&mut self, assign: &StmtAnnAssign) {
        match assign.target.as_ref() {
            Expr::Name(name) => {
                let declared = self.uses(self.current_id(), &self.private(&name.id));
                let is_declared = declared.intersects(Uses::DECLARED_GLOBAL | Uses::DECLARED_NONLOCAL);
                if assign.simple && is_declared && self.kind() != ScopeKind::Module {
                    let global = declared.contains(Uses::DECLARED_GLOBAL);
                    let word = if global { "global" } else { "nonlocal" };
                    self.fault(format!("annotated name `{}` can't be {word}", name.id), name.range());
                }
                if assign.simple {
                    self.define(&name.id, Uses::ANNOTATED | Uses::ASSIGNED, name.range());
                } else if assign.value.is_some() {
                    self.define(&name.id, Uses::ASSIGNED, name.range());
                }
            }
            target => self.visit_expr(target),
        }
        self.annotation(&assign.annotation);
        if let Some(value) = assign.value.as_deref() {
            self.visit_expr(value);
        }
    }

    fn annotation(&mut self, annotation: &Expr) {
        let is_lazy = self.table.dialect.has_lazy_annotations();
        if !is_lazy && !self.table.dialect.future_annotations {
            return self.visit_expr(annotation);
        }
        let kind = self.kind();
        let has_values = matches!(kind, ScopeKind::Class | ScopeKind::Module);
        if is_lazy && has_values && self.here().is_conditional {
            self.define("__conditional_annotations__", Uses::REFERENCED, annotation.range());
        }
        match self.here().annotations {
            Some(scope) => self.enter_again(scope),
            None => {
                self.enter(ScopeKind::Annotations, "__annotate__", annotation.range(), annotation.start());
                if is_lazy && kind == ScopeKind::Class && !self.table.dialect.future_annotations {
                    self.see_class(annotation.range());
                }
            }
        }
        self.here().is_unevaluated = is_lazy && kind == ScopeKind::Function;
        self.visit_expr(annotation);
        let scope = self.current_id();
        self.exit();
        self.here().annotations = Some(scope);
    }
}
