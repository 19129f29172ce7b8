//! The sentences that stand above declarations in the `.proto` files.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, FileDescriptor};

/// Comments by file and place.
#[derive(Debug, Default)]
pub(crate) struct Docs(HashMap<(String, Vec<i32>), String>);

impl Docs {
    pub(crate) fn new(pool: &DescriptorPool) -> Self {
        let mut docs = HashMap::new();
        for file in pool.files() {
            let Some(info) = &file.file_descriptor_proto().source_code_info else { continue };
            for location in &info.location {
                if let Some(comment) = location.leading_comments.as_deref() {
                    docs.insert((file.name().to_owned(), location.path.clone()), one_line(comment));
                }
            }
        }
        Self(docs)
    }

    /// The comment above a declaration; empty without one.
    pub(crate) fn of(&self, file: &FileDescriptor, path: &[i32]) -> &str {
        self.0.get(&(file.name().to_owned(), path.to_vec())).map_or("", String::as_str)
    }
}

fn one_line(comment: &str) -> String {
    comment.split_whitespace().collect::<Vec<_>>().join(" ")
}
