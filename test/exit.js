// Ends a test process that has nothing left to do.
//
// Node 20 takes its environment apart when a process ends by itself, and now and then waits without end, at full
// speed, for a request that is no more (Environment::CleanupHandles). `process.exit` leaves that out. What a test has
// left open still keeps its process alive: `beforeExit` comes only when nothing is.
let idle = false

process.on('beforeExit', () => {
  if (idle) process.exit()
  // Others that listen for this may have something left to do: then it comes once more.
  idle = true
  setImmediate(() => {})
})
