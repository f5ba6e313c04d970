/** A publication in an inbox, as PROTOCOL.md describes it. */
export function publication (from: string, number: number, packet: Buffer, kind = 1): Buffer {
  const header = Buffer.alloc(6)
  header[0] = kind
  header.writeUInt32BE(number, 1)
  header[5] = from.length
  return Buffer.concat([header, Buffer.from(from), packet])
}
