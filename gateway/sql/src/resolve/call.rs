//! Function calls: by the allow-list only.

use mountgate_core::{
    Use,
    weaken::{Defence, is_down},
};
use sqlparser::{
    ast::{self, Spanned as _},
    tokenizer::Span,
};

use super::{Outcome, Resolver, Watch};
use crate::{
    Dialect, allow, hints,
    ir::{Bound, Call, Expr, Frame, Over, Window},
    refuse,
};

/// Functions that are words of the grammar, written without parentheses.
const BARE: [&str; 5] = ["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"];

impl<'a> Resolver<'a> {
    /// The entry of the allow-list for that name, kind and number of arguments.
    fn entry(&self, name: &str, args: usize, kinds: &[allow::Kind], span: Span) -> Outcome<&'static allow::Function> {
        let known = allow::functions(self.dialect, name);
        let fits = |function: &&allow::Function| {
            args >= usize::from(function.min_args)
                && (function.max_args == u8::MAX || args <= usize::from(function.max_args))
        };
        for kind in kinds {
            if let Some(function) = known.iter().filter(|function| function.kind == *kind).find(fits) {
                return Ok(function);
            }
        }
        if is_down(Defence::FunctionList) {
            return Ok(allow::unlisted(name));
        }
        Err(if known.is_empty() {
            let refusal = refuse::unsupported(format!("the function `{name}`"), span);
            match hints::of_function(self.dialect, name) {
                Some(hint) => refusal.hint(hint),
                None => refusal,
            }
        } else {
            refuse::unsupported(format!("the function `{name}` with {args} arguments, or used in this way"), span)
        })
    }

    /// The operator's addition of that name, called as it may be.
    fn extra(&self, name: &str, args: usize, plain: bool, span: Span) -> Outcome<Option<&'a allow::Extra>> {
        let Some(extra) = self.extras.iter().find(|extra| extra.is_function(name)) else { return Ok(None) };
        if plain && extra.takes(args) {
            return Ok(Some(extra));
        }
        Err(refuse::unsupported(format!("the function `{name}` with {args} arguments, or used in this way"), span))
    }

    /// That a function with syntax of its own is on the list.
    pub(super) fn listed(&self, name: &str, args: usize, span: Span) -> Outcome<&'static allow::Function> {
        self.entry(name, args, &[allow::Kind::Scalar], span)
    }

    /// A plain call of a scalar function.
    pub(super) fn call(&mut self, name: &str, args: Vec<Expr<'a>>, span: Span) -> Outcome<Expr<'a>> {
        let function = self.listed(name, args.len(), span)?;
        let mut call = Expr::coalesce(args);
        if let Expr::Call(call) = &mut call {
            call.name = function.name;
            self.check_cost(call.name, &call.args, span)?;
        }
        Ok(call)
    }

    pub(super) fn plain_arg(&self, arg: &'a ast::FunctionArg) -> Outcome<&'a ast::Expr> {
        match arg {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Ok(expr),
            ast::FunctionArg::Unnamed(
                ast::FunctionArgExpr::Wildcard
                | ast::FunctionArgExpr::WildcardWithOptions(_)
                | ast::FunctionArgExpr::QualifiedWildcard(_),
            ) => Err(refuse::unsupported("`*` as an argument", arg.span())),
            ast::FunctionArg::Named { name, arg: _, operator: _ } => {
                Err(refuse::unsupported(format!("the named argument `{}`", name.value), name.span))
            }
            ast::FunctionArg::ExprNamed { name, arg: _, operator: _ } => {
                Err(refuse::unsupported("a named argument", name.span()))
            }
        }
    }

    pub(super) fn function_call(&mut self, function: &'a ast::Function) -> Outcome<Expr<'a>> {
        let ast::Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } =
            function;
        let parts = self.parts(name)?;
        let span = parts.first().map_or(Span::empty(), |ident| ident.span);
        let [ident] = parts.as_slice() else {
            return Err(
                refuse::unsupported(format!("the function `{name}`"), span).hint("call functions without a schema")
            );
        };
        if *uses_odbc_syntax {
            return Err(refuse::unsupported("`{fn …}`", span));
        }
        match parameters {
            ast::FunctionArguments::None => {}
            ast::FunctionArguments::Subquery(_) | ast::FunctionArguments::List(_) => {
                return Err(refuse::unsupported("parameters before the arguments of a function", span));
            }
        }
        let folded = self.name(ident);
        let own = match self.dialect {
            Dialect::Postgres => folded.into_owned(),
            Dialect::Sqlite => folded.to_ascii_lowercase(),
        };
        let list = match args {
            ast::FunctionArguments::None => {
                if !BARE.contains(&own.as_str()) || ident.quote_style.is_some() {
                    return Err(refuse::unsupported(format!("`{own}` without arguments"), span));
                }
                let function = self.entry(&own, 0, &[allow::Kind::Scalar], span)?;
                let mut call = self.call(&own, vec![], span)?;
                if let Expr::Call(call) = &mut call {
                    (call.bare, call.name) = (true, function.name);
                }
                return Ok(call);
            }
            ast::FunctionArguments::Subquery(query) => {
                if self.dialect == Dialect::Postgres && own == "array" && ident.quote_style.is_none() {
                    return Ok(Expr::ArrayQuery(Box::new(self.subquery(query)?)));
                }
                return Err(refuse::unsupported(format!("a bare subquery as the argument of `{own}`"), span)
                    .hint("put parentheses of its own around the subquery"));
            }
            ast::FunctionArguments::List(list) => list,
        };
        let ast::FunctionArgumentList { duplicate_treatment, args, clauses } = list;
        // A word of the grammar, not a function. One of a single column would be printed as that column.
        if self.dialect == Dialect::Postgres
            && own == "row"
            && ident.quote_style.is_none()
            && args.len() > 1
            && clauses.is_empty()
            && duplicate_treatment.is_none()
            && filter.is_none()
            && within_group.is_empty()
            && null_treatment.is_none()
            && over.is_none()
        {
            let items = args.iter().map(|arg| self.plain_arg(arg).and_then(|expr| self.expr(expr)));
            return Ok(Expr::Row(items.collect::<Outcome<Vec<_>>>()?));
        }
        let mut order: &[ast::OrderByExpr] = &[];
        for clause in clauses {
            match clause {
                ast::FunctionArgumentClause::OrderBy(keys) => order = keys,
                ast::FunctionArgumentClause::IgnoreOrRespectNulls(_)
                | ast::FunctionArgumentClause::Where(_)
                | ast::FunctionArgumentClause::Limit(_)
                | ast::FunctionArgumentClause::OnOverflow(_)
                | ast::FunctionArgumentClause::Having(_)
                | ast::FunctionArgumentClause::Separator(_)
                | ast::FunctionArgumentClause::JsonNullClause(_)
                | ast::FunctionArgumentClause::JsonReturningClause(_) => {
                    return Err(refuse::unsupported(format!("a clause among the arguments of `{own}`"), span));
                }
            }
        }
        let star =
            matches!(args.as_slice(), [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Wildcard)]) && own == "count";
        let distinct = match duplicate_treatment {
            None | Some(ast::DuplicateTreatment::All) => false,
            Some(ast::DuplicateTreatment::Distinct) => true,
        };
        let count = if star { 0 } else { args.len() };
        let aggregate_only = star || distinct || filter.is_some() || !order.is_empty() || !within_group.is_empty();
        let plain = !aggregate_only && over.is_none() && null_treatment.is_none();
        if let Some(extra) = self.extra(&own, count, plain, span)? {
            let args = args.iter().map(|arg| self.plain_arg(arg).and_then(|arg| self.expr(arg)));
            let mut call = Expr::coalesce(args.collect::<Outcome<Vec<_>>>()?);
            if let Expr::Call(call) = &mut call {
                (call.name, call.extra) = (extra.name(), Some(extra));
            }
            return Ok(call);
        }
        let kinds: &[allow::Kind] = if over.is_some() && !aggregate_only {
            &[allow::Kind::Window, allow::Kind::Aggregate]
        } else if aggregate_only {
            &[allow::Kind::Aggregate]
        } else {
            // `min(a)` is an aggregate and `min(a, b)` is not, in SQLite: the list says which by the number.
            &[allow::Kind::Aggregate, allow::Kind::Scalar]
        };
        let listed = if star {
            allow::functions(self.dialect, &own)
                .iter()
                .find(|function| function.kind == allow::Kind::Aggregate)
                .ok_or_else(|| refuse::unsupported("`count(*)`", span))?
        } else {
            self.entry(&own, count, kinds, span)?
        };
        let aggregate = listed.kind == allow::Kind::Aggregate;
        let outer = self.in_aggregate;
        self.in_aggregate |= aggregate;
        self.watches.push(Watch { level: self.levels.len().saturating_sub(1), innermost: None });
        let resolved = if star {
            vec![]
        } else {
            args.iter()
                .map(|arg| {
                    let expr = self.plain_arg(arg)?;
                    self.expr(expr)
                })
                .collect::<Outcome<Vec<_>>>()?
        };
        let order = self.inner_order(order)?;
        let within = self.inner_order(within_group)?;
        self.in_aggregate = outer;
        let filter = match filter {
            Some(condition) => Some(self.with_use(Use::Filtered, |this| this.expr(condition))?),
            None => None,
        };
        // Both stores then count the outer query's rows, and SQLite takes it or not as its planner folds constants.
        if let Some(Watch { level, innermost: Some(innermost) }) = self.watches.pop()
            && aggregate
            && over.is_none()
            && innermost < level
        {
            return Err(refuse::unsupported(format!("`{own}` over an outer query's columns alone"), span)
                .hint("aggregate them in the query whose columns they are, and name the result"));
        }
        let ignore_nulls = match null_treatment {
            None => None,
            Some(ast::NullTreatment::IgnoreNulls | ast::NullTreatment::RespectNulls) => {
                return Err(refuse::unsupported("`IGNORE NULLS` or `RESPECT NULLS`", span));
            }
        };
        let over = match over {
            None => None,
            Some(ast::WindowType::WindowSpec(spec)) => Some(Over::Window(self.window(spec)?)),
            Some(ast::WindowType::NamedWindow(name)) => Some(Over::Named(self.named_window(name)?)),
        };
        let aggregate = aggregate && over.is_none();
        let call = Call {
            name: listed.name,
            extra: None,
            bare: false,
            aggregate,
            distinct,
            star,
            args: resolved,
            order,
            within,
            filter,
            ignore_nulls,
            over,
        };
        self.check_cost(call.name, &call.args, span)?;
        Ok(Expr::Call(Box::new(call)))
    }

    fn named_window(&mut self, name: &'a ast::Ident) -> Outcome<usize> {
        let own = self.name(name);
        let dialect = self.dialect;
        let windows = &self.level()?.windows;
        windows
            .iter()
            .position(|window| dialect.same(window, &own))
            .ok_or_else(|| refuse::unsupported(format!("the unknown window `{}`", name.value), name.span))
    }

    pub(super) fn window(&mut self, spec: &'a ast::WindowSpec) -> Outcome<Window<'a>> {
        let ast::WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
        let base = window_name.as_ref().map(|name| self.named_window(name)).transpose()?;
        let partition = self.with_use(Use::Grouped, |this| {
            partition_by.iter().map(|key| this.expr(key)).collect::<Outcome<Vec<_>>>()
        })?;
        let order = self.inner_order(order_by)?;
        let frame = match window_frame {
            None => None,
            Some(ast::WindowFrame { units, start_bound, end_bound }) => Some(Frame {
                units: match units {
                    ast::WindowFrameUnits::Rows => "ROWS",
                    ast::WindowFrameUnits::Range => "RANGE",
                    ast::WindowFrameUnits::Groups => "GROUPS",
                },
                start: self.bound(start_bound)?,
                end: end_bound.as_ref().map(|bound| self.bound(bound)).transpose()?,
            }),
        };
        Ok(Window { base, partition, order, frame })
    }

    fn bound(&mut self, bound: &'a ast::WindowFrameBound) -> Outcome<Bound<'a>> {
        Ok(match bound {
            ast::WindowFrameBound::CurrentRow => Bound::Current,
            ast::WindowFrameBound::Preceding(by) => Bound::Preceding(by.as_ref().map(|by| self.expr(by)).transpose()?),
            ast::WindowFrameBound::Following(by) => Bound::Following(by.as_ref().map(|by| self.expr(by)).transpose()?),
        })
    }
}
