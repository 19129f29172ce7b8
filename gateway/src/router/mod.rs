//! From an HTTP method and path to an RPC: a tree of path segments, built once. Literals win over variables.

use std::{borrow::Cow, collections::HashMap};

use http::Method;

use crate::{
    contract::{
        Contract, Error,
        template::{Segment, Template},
    },
    json::percent_decode,
};

/// Paths with more segments are not looked at.
const SEGMENTS_MAX: usize = 32;

/// What stands at a method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Binding `binding` of RPC `rpc`.
    Rpc { rpc: usize, binding: usize },
    /// A path that is no longer served.
    Retired(usize),
    /// The OpenAPI page.
    OpenApi,
    /// The gateway's own health.
    Health,
}

/// What a look-up finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Match<'p> {
    /// The endpoint and the values of the path's variables.
    Found(Endpoint, Vec<Cow<'p, str>>),
    /// The path exists with these methods only.
    OtherMethods(Vec<Method>),
    /// There is no such path.
    Nothing,
}

/// All routes.
#[derive(Debug, Default)]
pub(crate) struct Router {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    variable: Option<Box<Node>>,
    rest: Vec<(Method, Endpoint)>,
    endpoints: Vec<(Method, Endpoint)>,
}

impl Router {
    /// The routes of a contract.
    pub(crate) fn new(contract: &Contract) -> Result<Self, Error> {
        let mut router = Self::default();
        for (rpc_index, rpc) in contract.rpcs.iter().enumerate() {
            for (binding_index, binding) in rpc.bindings.iter().enumerate() {
                let endpoint = Endpoint::Rpc { rpc: rpc_index, binding: binding_index };
                router.add(&binding.method, &binding.template, endpoint)?;
            }
        }
        for (index, retired) in contract.retired.iter().enumerate() {
            router.add(&retired.method, &retired.template, Endpoint::Retired(index))?;
        }
        Ok(router)
    }

    /// Adds a path that no contract declares.
    pub(crate) fn add_path(&mut self, method: &Method, path: &str, endpoint: Endpoint) -> Result<(), Error> {
        self.add(method, &Template::parse(path)?, endpoint)
    }

    fn add(&mut self, method: &Method, template: &Template, endpoint: Endpoint) -> Result<(), Error> {
        let mut node = &mut self.root;
        let mut rest = false;
        for segment in &template.segments {
            match segment {
                Segment::Literal(literal) => node = node.literals.entry(literal.clone()).or_default(),
                Segment::Variable(_) => node = node.variable.get_or_insert_default(),
                Segment::Rest(_) => rest = true,
            }
        }
        let endpoints = if rest { &mut node.rest } else { &mut node.endpoints };
        if endpoints.iter().any(|(taken, _)| taken == method) {
            let shown = template.shown(str::to_owned);
            return Err(Error::Contract(format!("{method} {shown} is declared twice")));
        }
        endpoints.push((method.clone(), endpoint));
        Ok(())
    }

    /// Finds what answers; a trailing slash makes no difference.
    pub(crate) fn find<'p>(&self, method: &Method, path: &'p str) -> Match<'p> {
        let Some(path) = path.strip_prefix('/') else { return Match::Nothing };
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<Cow<'p, str>> = path.split('/').take(SEGMENTS_MAX + 1).map(percent_decode).collect();
        if segments.len() > SEGMENTS_MAX {
            return Match::Nothing;
        }
        let mut search = Search { method, vars: Vec::new(), others: Vec::new() };
        match search.visit(&self.root, &segments) {
            Some(endpoint) => Match::Found(endpoint, search.vars),
            None if search.others.is_empty() => Match::Nothing,
            None => Match::OtherMethods(search.others),
        }
    }
}

struct Search<'m, 'p> {
    method: &'m Method,
    vars: Vec<Cow<'p, str>>,
    /// Methods seen at the path, although not the one asked for.
    others: Vec<Method>,
}

impl<'p> Search<'_, 'p> {
    fn visit(&mut self, node: &Node, segments: &[Cow<'p, str>]) -> Option<Endpoint> {
        let Some((first, rest)) = segments.split_first() else { return self.pick(&node.endpoints) };
        if let Some(next) = node.literals.get(&**first)
            && let Some(endpoint) = self.visit(next, rest)
        {
            return Some(endpoint);
        }
        if let Some(next) = node.variable.as_deref().filter(|_| !first.is_empty()) {
            self.vars.push(first.clone());
            if let Some(endpoint) = self.visit(next, rest) {
                return Some(endpoint);
            }
            self.vars.pop();
        }
        if node.rest.is_empty() {
            return None;
        }
        let endpoint = self.pick(&node.rest)?;
        self.vars.push(Cow::Owned(segments.join("/")));
        Some(endpoint)
    }

    fn pick(&mut self, endpoints: &[(Method, Endpoint)]) -> Option<Endpoint> {
        let found = endpoints.iter().find(|(method, _)| method == self.method);
        if found.is_none() {
            let new: Vec<Method> = endpoints
                .iter()
                .map(|(method, _)| method)
                .filter(|method| !self.others.contains(method))
                .cloned()
                .collect();
            self.others.extend(new);
        }
        found.map(|(_, endpoint)| *endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router() -> Router {
        let mut router = Router::default();
        let routes = [
            (Method::GET, "/books"),
            (Method::POST, "/books"),
            (Method::GET, "/books/{id}"),
            (Method::GET, "/books/new"),
            (Method::PUT, "/books/{id}/pages/{page}"),
            (Method::GET, "/files/{path=**}"),
        ];
        for (index, (method, template)) in routes.into_iter().enumerate() {
            router.add(&method, &Template::parse(template).unwrap(), Endpoint::Retired(index)).unwrap();
        }
        router
    }

    fn found(path: &str, method: Method) -> Option<(usize, String)> {
        match router().find(&method, path) {
            Match::Found(Endpoint::Retired(index), vars) => Some((index, vars.join("|"))),
            _ => None,
        }
    }

    #[test]
    fn paths_are_found_with_and_without_slash() {
        assert_eq!(found("/books", Method::GET), Some((0, String::new())));
        assert_eq!(found("/books/", Method::POST), Some((1, String::new())));
        assert_eq!(found("/books/7/", Method::GET), Some((2, "7".into())));
        assert_eq!(found("/books/a%2Fb%20c", Method::GET), Some((2, "a/b c".into())));
        assert_eq!(found("/books/new", Method::GET), Some((3, String::new())));
        assert_eq!(found("/books/new/pages/2", Method::PUT), Some((4, "new|2".into())));
        assert_eq!(found("/files/a/b", Method::GET), Some((5, "a/b".into())));
    }

    #[test]
    fn unknown_paths_and_methods_are_told_apart() {
        let router = router();
        for path in ["/", "", "books", "/nothing", "/books//", "/books/7/pages", "/books//pages/1", &"/x".repeat(5000)]
        {
            assert_eq!(router.find(&Method::GET, path), Match::Nothing, "{path}");
        }
        let others = Match::OtherMethods(vec![Method::GET, Method::POST]);
        assert_eq!(router.find(&Method::DELETE, "/books/"), others);
        assert_eq!(router.find(&Method::POST, "/books/new"), Match::OtherMethods(vec![Method::GET]));
    }

    #[test]
    fn a_route_twice_is_refused() {
        let template = Template::parse("/books/{other}").unwrap();
        assert!(router().add(&Method::GET, &template, Endpoint::Retired(9)).is_err());
    }
}
