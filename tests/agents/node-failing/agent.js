// A command that ends with an error.
console.log("before");
console.error("what went wrong");
process.exit(3);
