// Apart from the schemas: who only tells this error from others need not load them.

/** A machine configuration that cannot be. The message begins with the field at fault. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
