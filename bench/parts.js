import { clusterScenarios, growthScenarios, scenarios } from './scenarios.js'
import { BASE, CROWD_BASE, crowds, servers, SETUP_BASE, setups } from './servers.js'

/** What is measured: each part plays its scenarios against its servers, and compares these with the base. */
export const parts = {
  servers: { title: 'Servers', scenarios, servers, base: BASE },
  growth: { title: 'More peers', scenarios: growthScenarios, servers: crowds, base: CROWD_BASE },
  cluster: {
    title: 'Two nodes on one Redis',
    scenarios: clusterScenarios,
    servers: setups,
    base: SETUP_BASE,
    needsRedis: true
  }
}
