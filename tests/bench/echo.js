// What `make bench` has Node serve: node echo.js port [frames]
const net = require('net');
const [port, frames] = process.argv.slice(2);

function echo(socket) {
  socket.on('data', (data) => socket.write(data));
}

// Messages have their length in front, four bytes of it.
function echoFrames(socket) {
  let rest = Buffer.alloc(0);
  socket.on('data', (data) => {
    if (rest.length > 0) data = Buffer.concat([rest, data]);
    let at = 0;
    socket.cork(); // answers to what came together leave together
    while (data.length - at >= 4) {
      const end = at + 4 + data.readUInt32BE(at);
      if (data.length < end) break;
      socket.write(data.subarray(at, end));
      at = end;
    }
    socket.uncork();
    rest = data.subarray(at);
  });
}

net.createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  (frames ? echoFrames : echo)(socket);
}).listen(Number(port), '127.0.0.1');
