//! The documentation: what a browser, a search, an assistant and a file server get of it.

mod answers;
mod build;
mod document;
mod html;
mod library;
mod links;
mod operations;
mod weight;
