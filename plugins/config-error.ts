/** What can't be honoured in the environment or in options; the message begins with the name of what is wrong. */
export class ConfigError extends Error {
  /** Tells it from other errors where there are several copies of this class. */
  override readonly name = 'ConfigError'
}
