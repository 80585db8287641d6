//! `schemas.ts`: Zod schemas.

use std::collections::BTreeSet;

use super::model::{Field, Kind, Message, Model, Named, Shape};
use super::types::{constant, push};
use super::{HEADER, regexp};

const HELPERS: &str = r#"
type Issues = { value: unknown; issues: z.core.$ZodRawIssue[] };

function report(issues: Issues, fault: Fault | undefined): void {
  if (fault) {
    const path = fault.path === "" ? [] : fault.path.split(".");
    issues.issues.push({ code: "custom", message: fault.reason, path, input: issues.value });
  }
}

const text = (min?: number, max?: number, pattern?: RegExp, calendar?: boolean) =>
  z.string().check((issues) => report(issues, textFault(issues.value, min, max, pattern, calendar)));

const integer = () => z.int().min(0);

const freeObject = () => z.custom<Record<string, unknown>>(isObject, "must be an object");

const metadata = (maxBytes: number, maxDepth: number) =>
  freeObject().check((issues) => report(issues, metadataFault(issues.value, maxBytes, maxDepth)));

/** A field that need not be there; `null` is taken for its absence. */
const optional = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? undefined);

/** An object with these fields; unknown ones are kept. */
const object = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.looseObject(shape).check((issues) => report(issues, keysFault(issues.value)));
"#;

pub(super) fn write(model: &Model) -> String {
    let mut out = HEADER.to_owned();
    out.push_str("import { z } from \"zod\";\n\n");
    out.push_str(
        "import { isObject, keysFault, metadataFault, nonEmptyFault, textFault, type Fault } from \"./rules.js\";\n",
    );
    let lists: Vec<String> = model
        .types
        .iter()
        .filter(|named| matches!(named.shape, Shape::Names(_)))
        .map(|named| constant(&named.name))
        .collect();
    push(&mut out, format_args!("import {{ {} }} from \"./types.js\";\n", lists.join(", ")));
    out.push_str(HELPERS);
    let mut written = BTreeSet::new();
    for named in &model.types {
        write_named(&mut out, model, named, &mut written);
    }
    for message in model.client.iter().chain(&model.server) {
        write_message(&mut out, message);
    }
    write_union(&mut out, "clientMessageSchema", "What a client says.", &model.client);
    write_union(&mut out, "serverMessageSchema", "What the server says.", &model.server);
    out
}

/// `NewMessage` → `newMessageSchema`.
fn schema_name(name: &str) -> String {
    let (head, tail) = name.split_at(1);
    format!("{}{tail}Schema", head.to_ascii_lowercase())
}

/// Writes a type after the types that it is made of.
fn write_named<'a>(out: &mut String, model: &'a Model, named: &'a Named, written: &mut BTreeSet<&'a str>) {
    if !written.insert(&named.name) {
        return;
    }
    for name in references(&named.shape) {
        write_named(out, model, model.named(name), written);
    }
    let value = match &named.shape {
        Shape::Object { fields, any_non_empty } => {
            let check = if any_non_empty.is_empty() {
                String::new()
            } else {
                format!(".check((issues) => report(issues, nonEmptyFault(issues.value, {any_non_empty:?})))")
            };
            format!("object({{\n{}}}){check}", shape(fields))
        }
        Shape::Names(_) => format!("z.enum({})", constant(&named.name)),
        Shape::Kind(kind) => zod(kind),
    };
    push(out, format_args!("\nexport const {} = {value};\n", schema_name(&named.name)));
}

/// The names of the types that a type is made of.
pub(super) fn references(shape: &Shape) -> Vec<&str> {
    fn of(kind: &Kind) -> Vec<&str> {
        match kind {
            Kind::Named(name) => vec![name],
            Kind::Nullable(inner) | Kind::List { item: inner, .. } => of(inner),
            Kind::Either(kinds) => kinds.iter().flat_map(of).collect(),
            Kind::Text { .. }
            | Kind::OpenNames(_)
            | Kind::Integer
            | Kind::Boolean
            | Kind::Object
            | Kind::Metadata { .. } => Vec::new(),
        }
    }
    match shape {
        Shape::Object { fields, .. } => fields.iter().flat_map(|field| of(&field.kind)).collect(),
        Shape::Names(_) => Vec::new(),
        Shape::Kind(kind) => of(kind),
    }
}

fn shape(fields: &[Field]) -> String {
    let line = |field: &Field| {
        let value = zod(&field.kind);
        match (field.is_required, &field.kind) {
            (true, _) => format!("  {}: {value},\n", field.name),
            // Here `null` has a meaning of its own.
            (false, Kind::Nullable(_)) => format!("  {}: {value}.optional(),\n", field.name),
            (false, _) => format!("  {}: optional({value}),\n", field.name),
        }
    };
    fields.iter().map(line).collect()
}

fn write_message(out: &mut String, message: &Message) {
    let name = schema_name(&message.name);
    let fields = shape(&message.fields);
    push(out, format_args!("\n/** {} */\nexport const {name} = object({{\n", message.doc));
    push(out, format_args!("  type: z.literal(\"{}\"),\n{fields}}});\n", message.type_name));
}

fn write_union(out: &mut String, name: &str, doc: &str, messages: &[Message]) {
    let members: Vec<String> = messages.iter().map(|message| format!("  {},\n", schema_name(&message.name))).collect();
    push(out, format_args!("\n/** {doc} */\nexport const {name} = z.discriminatedUnion(\"type\", [\n"));
    push(out, format_args!("{}]);\n", members.concat()));
}

fn zod(kind: &Kind) -> String {
    match kind {
        Kind::Text { min: 0, max: None, pattern: None, .. } | Kind::OpenNames(_) => "text()".to_owned(),
        Kind::Text { min, max, pattern, is_calendar } => {
            let max = max.map_or("undefined".to_owned(), |max| max.to_string());
            match pattern {
                None => format!("text({min}, {max})"),
                Some(pattern) => {
                    let calendar = if *is_calendar { ", true" } else { "" };
                    format!("text({min}, {max}, {}{calendar})", regexp(pattern))
                }
            }
        }
        Kind::Integer => "integer()".to_owned(),
        Kind::Boolean => "z.boolean()".to_owned(),
        Kind::Object => "freeObject()".to_owned(),
        Kind::Metadata { max_bytes, max_depth } => format!("metadata({max_bytes}, {max_depth})"),
        Kind::List { item, max } => {
            let limit = max.map_or(String::new(), |max| format!(".max({max})"));
            format!("z.array({}){limit}", zod(item))
        }
        Kind::Named(name) => schema_name(name),
        Kind::Nullable(inner) => format!("{}.nullable()", zod(inner)),
        Kind::Either(kinds) => format!("z.union([{}])", kinds.iter().map(zod).collect::<Vec<_>>().join(", ")),
    }
}
