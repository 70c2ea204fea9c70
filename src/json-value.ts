/**
 * JSON as a type: what the CLI, tools and models say that has no type of its own.
 */

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
