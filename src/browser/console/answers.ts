/** What this page asks of the HTTP API; docs of it are at `/api/docs`. */
export interface Stats {
  node: { id: string, host: string, pid: number, started: string }
  /** What stands in the way of new connections. */
  impediments: string[]
  /** Seconds between two samples. */
  interval: number
  /** Seconds for which they are kept. */
  span: number
  times: number[]
  series: Record<string, Array<number | null>>
}

export interface NodeInfo {
  id: string
  host: string
  pid: number
  started: string
  alive: boolean
  self: boolean
  lease: number | null
}

export interface RoomInfo { name: string, members: number }

export interface PeerInfo {
  id: string
  user: string
  name: string
  address: string
  host: string
  node: string
}

export interface PeerDetails extends PeerInfo { rooms: string[], virtual: boolean }

export interface RoomsPage { rooms: RoomInfo[], cursor: string | null }
export interface PeersPage { peers: PeerInfo[], cursor: string | null }
