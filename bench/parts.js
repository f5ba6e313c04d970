import { clusterScenarios, scenarios } from './scenarios.js'
import { BASE, servers, SETUP_BASE, setups } from './servers.js'

/** What is measured: each part plays its scenarios against its servers, and compares these with the base. */
export const parts = {
  servers: { title: 'Servers', scenarios, servers, base: BASE },
  cluster: {
    title: 'Two nodes on one Redis',
    scenarios: clusterScenarios,
    servers: setups,
    base: SETUP_BASE,
    needsRedis: true
  }
}
