// The rows against other libraries for Node.js.

export const peers = []
