/** A Zod schema for each message, and for their parts. Needs `zod`; nothing else of the package does. */

export * from "@cossistant/protocol/schemas";
