/** What has happened, in words, and what can be done about it. */
export interface Explanation {
  readonly title: string
  readonly advice: string
}

const ENDS: Record<number, Explanation> = {
  1000: { title: 'Disconnected', advice: 'The connection was closed in good order.' },
  1001: {
    title: 'The server is shutting down or restarting',
    advice: 'There is nothing to do: this page comes back by itself when the server does.'
  },
  1002: { title: 'The server could not read what this client sent', advice: 'That is a fault of the client, or of something between the two.' },
  1006: {
    title: 'No connection',
    advice: 'It was lost, or could not be made. See whether the server is running and whether something between the two ' +
      'lets WebSockets through; if SYMPLE_ALLOWED_ORIGINS is set, it must have the origin of this page.'
  },
  1007: { title: 'The server got text that is not UTF-8', advice: 'That is a fault of the client, or of something between the two.' },
  1008: {
    title: 'A message came in too many pieces',
    advice: 'That is a fault of the client, or of something between the two: a message should be one WebSocket frame.'
  },
  1009: {
    title: 'A frame was larger than the server takes',
    advice: 'Send less at a time. The limit is SYMPLE_MAX_MESSAGE_SIZE, 64 KiB unless configured.'
  },
  1013: {
    title: 'The server takes nobody at the moment',
    advice: 'It has as many connections as it may have (SYMPLE_MAX_CONNECTIONS), or can not check tokens because Redis is away.'
  },
  4400: { title: 'The server could not use the first frame', advice: 'Correct the field that it names, then connect again.' },
  4401: {
    title: 'The server does not let you in',
    advice: 'It needs a token that it knows and that has not expired. Leave the user empty, or give the one that the token is for.'
  },
  4403: {
    title: 'The application has disconnected you',
    advice: 'The reason says why. This page does not come back by itself; you can connect again.'
  },
  4408: { title: 'The server had no word from this client in time', advice: 'The network may be slow. The limit is SYMPLE_AUTH_TIMEOUT.' },
  4429: {
    title: 'Too many messages: the server has closed the connection',
    advice: 'Send more slowly. The limit is SYMPLE_RATE_LIMIT in SYMPLE_RATE_SECONDS.'
  }
}

/** What a close code means to whoever tries the server out. */
export function explainEnd (code: number): Explanation {
  const known = ENDS[code]
  if (known !== undefined) return known
  return code >= 4000
    ? { title: 'The server has closed the connection', advice: 'This page does not know the reason, so it does not try again.' }
    : { title: 'The connection has ended', advice: 'This page does not know the reason. It tries again.' }
}

const FAULTS: Record<number, string> = {
  400: 'The server could not use what was sent, and has done nothing with it. The connection stays open.',
  401: 'The server does not take the token, or no longer.',
  403: 'The application that runs the server does not allow it.',
  408: 'The first frame did not come in time.',
  413: 'That was larger than the server takes. It was not passed on.',
  429: 'Too many messages in too short a time: the last ones were dropped. Send more slowly.',
  503: 'The server can not do that at the moment. Try again later.'
}

/** What some of them mean before `welcome`, when they end the connection. */
const REFUSALS: Record<number, string> = {
  400: 'The server could not use the first frame, so it lets nobody in with it. It closes the connection.',
  429: 'Too many connections, or refused attempts, from this address. The server closes this one.',
  503: 'The server can let nobody in at the moment. It closes the connection.'
}

/**
 * What the status of an `error` frame means.
 *
 * @param welcome whether `welcome` has come before it
 */
export function explainFault (status: number, welcome: boolean): string {
  const words = welcome ? FAULTS[status] : REFUSALS[status] ?? FAULTS[status]
  return words ?? 'The server reports an error that this page does not know.'
}
