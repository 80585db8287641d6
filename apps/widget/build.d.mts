import type { Metafile } from "esbuild";

/** Where everything is written to. */
export const dist: string;

/** Builds everything; gives esbuild's account of the chunks, and of `widget.js`. */
export function buildAll(): Promise<{ chunks: Metafile; loader: Metafile }>;
