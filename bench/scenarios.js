// What is measured. `kind` names the module in load/ that plays a scenario; the rest are its parameters.
//
// A window of W means that each sender keeps W messages in flight: the next goes out when everybody has the oldest.
// A rate is an open loop: messages a second in all, sent when they are due, whatever has arrived.

const window = messages => ({ kind: 'window', window: messages })
const rate = (messages, drainSeconds) => ({ kind: 'rate', rate: messages, drainSeconds })

const room = (about, parameters) => ({ kind: 'traffic', about, groups: 1, receivers: 1000, bytes: 100, ...parameters })

export const scenarios = {
  flood: room('20 senders to 1000 receivers, 100 B, 2000 messages a second offered', { senders: 20, pace: rate(2000, 1) }),
  fan20: room('20 senders to 1000 receivers, 100 B, 8 broadcasts each in flight', { senders: 20, pace: window(8) }),
  'fan20-1k': room('the same with 1 KB', { senders: 20, bytes: 1000, pace: window(8) }),
  fan1: room('1 sender to 1000 receivers, 100 B, 64 broadcasts in flight', { senders: 1, pace: window(64) }),
  lone: room('1 sender to 1000 receivers, 100 B, one message in flight', { senders: 1, pace: window(1) }),
  rate: room('20 senders to 1000 receivers, 100 B, 50 messages a second', { senders: 20, pace: rate(50, 3) }),
  rooms: {
    kind: 'traffic',
    about: '200 rooms of 10, each member keeps one broadcast in flight',
    groups: 200,
    receivers: 0,
    senders: 10,
    bytes: 100,
    pace: window(1)
  },
  direct: {
    kind: 'traffic',
    about: '50 pairs in one room, ping-pong by address',
    groups: 50,
    receivers: 0,
    senders: 2,
    bytes: 100,
    commonRoom: true,
    pace: { kind: 'ping-pong' }
  },
  storm: { kind: 'storm', about: '1000 sockets authenticate into one room at once; then all but one leave', peers: 1000 },
  connect: { kind: 'connect', about: '3000 connections, 100 in flight, in rooms of 10', peers: 3000, roomSize: 10 },
  idle: { kind: 'idle', about: '2000 silent peers in rooms of 10', peers: 2000, roomSize: 10 },
  slow: {
    kind: 'slow',
    about: '1000 messages a second of 10 KB; one of 10 receivers reads for 4 s, then no more for 4 s',
    readers: 9,
    bytes: 10_000,
    rate: 1000,
    seconds: 4
  }
}

// In a room of their own, and to hear nothing of the others.
const bystanders = 10

/** What must not cost more where there are more peers: the server says how many times these numbers there are. */
export const growthScenarios = {
  'fan1-w16': room('1 sender to that many receivers in one room, 100 B, 16 broadcasts in flight', {
    senders: 1, pace: window(16)
  }),
  churn: {
    kind: 'churn',
    about: '10 movers join and leave a room of their own, one step in flight each, among that many peers in rooms of 10',
    movers: 10,
    peers: 1000,
    roomSize: 10
  }
}

/** What is measured with two nodes on one Redis. */
export const clusterScenarios = {
  fan20: { ...scenarios.fan20, bystanders },
  'fan20-200': room('the same to 200 receivers', { senders: 20, receivers: 200, pace: window(8), bystanders }),
  'lone-200': room('1 sender to 200 receivers, 100 B, one message in flight', {
    senders: 1, receivers: 200, pace: window(1), bystanders
  }),
  'rate-200': room('20 senders to 200 receivers, 100 B, 100 messages a second', {
    senders: 20, receivers: 200, pace: rate(100, 3), bystanders
  })
}
