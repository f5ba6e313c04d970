/** Sends a message as a backend does, by the HTTP API: it has the sender that stands in it, or none. */
export async function emit (host: string, apiKey: string, message: object): Promise<void> {
  const { status } = await fetch(`http://${host}/api/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(message)
  })
  if (status !== 202) throw new Error(`The message was answered with ${status}`)
}
