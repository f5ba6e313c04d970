// The load process: plays one scenario against one server or cluster, as the driver tells it, and reports.
import { churn } from './load/churn.js'
import { connect } from './load/connect.js'
import { dialects } from './load/dialects.js'
import { idle } from './load/idle.js'
import { slow } from './load/slow.js'
import { storm } from './load/storm.js'
import { traffic } from './load/traffic.js'

const kinds = { churn, connect, idle, slow, storm, traffic }

process.once('message', async run => {
  process.send(await play(run), () => { process.exit() })
})
process.on('disconnect', () => { process.exit() })

async function play (run) {
  try {
    const [{ port, pid }] = run.nodes
    const { faults, figures } = await kinds[run.scenario.kind]({ ...run, port, pid, dialect: dialects[run.dialect] })
    return { failure: faults.describe(), figures }
  } catch (error) {
    return { failure: error.message, figures: {} }
  }
}
