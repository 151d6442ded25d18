// The part of Fluent that the page uses.

export { FluentBundle, FluentResource } from "@fluent/bundle";
