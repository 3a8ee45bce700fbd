"""A compiler's target of the kernels' own: Numba's for the processor, without what no kernel uses.

Before its first compilation, Numba's own target loads typed lists, strings, random numbers and all else that a compiled
function may hold, and for each call asks those first whether it is theirs. Kernels know numbers, arrays, records and
tuples. This target is told of those alone, remembers what it has found out, and writes no machine code for steps, which
only ever become parts of kernels. The machine code of a kernel is the same as by Numba's own target, which compiles the
functions of the user's and may call kernels.
"""

from __future__ import annotations

import functools
import importlib
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from stockstream_kernels._numba import numba

core: Any = numba.core
types: Any = numba.types
templates: Any = core.typing.templates
extension: Any = core.target_extension

NAME: Final = "stockstream_kernels"

#: Modules of Numba's about what no kernel holds: text, sets, lists, dictionaries, dates and the like.
UNUSED: Final = (
    "numba.cpython.charseq",
    "numba.cpython.hashing",
    "numba.cpython.heapq",
    "numba.cpython.listobj",
    "numba.cpython.randomimpl",
    "numba.cpython.setobj",
    "numba.cpython.unicode",
    "numba.experimental",
    "numba.misc",
    "numba.np.linalg",
    "numba.np.npdatetime",
    "numba.np.polynomial",
    "numba.np.random",
    "numba.np.types.datetime",
    "numba.typed",
)
#: Modules of Numba's that say how the functions of kernels are written, and those with lists of them to be read.
IMPLEMENTED: Final = (
    "numba.cpython.builtins",
    "numba.cpython.iterators",
    "numba.cpython.numbers",
    "numba.cpython.rangeobj",
    "numba.cpython.slicing",
    "numba.cpython.tupleobj",
    "numba.core.optional",
    "numba.core.inline_closurecall",
    "numba.np.arraymath",
    "numba.np.arrayobj",
    "numba.np.unsafe.ndarray",
)
DECLARED: Final = ("numba.core.typing.mathdecl", "numba.core.typing.npydecl")
LISTED: Final = ("numba.cpython.mathimpl", "numba.np.npyimpl")
#: What has no type of its own to Numba, but one in the list of what is declared.
PLAIN: Final = (BuiltinFunctionType, FunctionType, np.ufunc, core.extending._Intrinsic)


def lists(modules: tuple[str, ...]) -> list[Any]:
    """Return the lists of declarations that some modules of Numba's keep."""
    return [importlib.import_module(name).registry for name in modules]


def used(template: Any) -> bool:
    """Tell whether kernels may need what a template of Numba's is about."""
    home = (getattr(template, "_overload_func", None) or template).__module__
    return home is not None and not home.startswith(UNUSED)  # none: made at run time, for classes


class Function(types.Function):
    """A function that remembers how it is called; Numba asks every template anew for each line of a kernel."""

    def __init__(self, template: Any) -> None:
        super().__init__(template)
        self.known: dict[Any, Any] = {}

    def get_call_type(self, context: Any, args: Any, kws: Any) -> Any:
        """Return the signature of a call with arguments of these types."""
        found = None if kws else self.known.get(args)
        if found is None:
            found = super().get_call_type(context, args, kws)
            if not kws and self._impl_keys[found.args] is self.typing_key:  # and not what one caller's flags are for
                self.known[args] = found
        return found


numba.extending.register_model(Function)(numba.extending.models.OpaqueModel)


class Knowledge(core.typing.Context):
    """What is known of the types of values and functions while a kernel is compiled."""

    def init(self) -> None:
        """Begin with nothing learnt."""
        self.learning = False

    def refresh(self) -> None:
        """Learn what has been declared since."""
        with extension.target_override(NAME):
            super().refresh()

    def load_additional_registries(self) -> None:
        """Learn of the functions of mathematics, Python's and NumPy's."""
        for registry in lists(DECLARED):
            self.install_registry(registry)

    def install_registry(self, registry: Any) -> None:
        """Learn of what a list of declarations says for kernels."""
        loader = self._registries.get(registry)
        if loader is None:
            loader = self._registries[registry] = templates.RegistryLoader(registry)
        for kind in filter(used, loader.new_registrations("functions")):
            self.insert_function(kind(self))
        for kind in filter(used, loader.new_registrations("attributes")):
            self.insert_attributes(kind(self))
        for value, kind in loader.new_registrations("globals"):
            if isinstance(kind, types.Function):
                self._learn(value, tuple(filter(used, kind.templates)))
            elif self._lookup_global(value) is None:
                self.insert_global(value, kind)

    def _learn(self, value: Any, declared: tuple[Any, ...]) -> None:
        before = self._lookup_global(value)
        if before is not None:
            self._remove_global(value)
            declared = before.templates + declared
        if declared:
            self.insert_global(value, Function(declared))

    def resolve_value_type(self, val: Any) -> Any:
        """Return the type of a constant; for some it is known at once what Numba loads a parser of C to find out."""
        if isinstance(val, ModuleType):
            return types.Module(val)
        known = self._lookup_global(val) if val is range or isinstance(val, PLAIN) else None
        return super().resolve_value_type(val) if known is None else known


untyped: Any = core.untyped_passes
typed: Any = core.typed_passes
passing = core.compiler_machinery.register_pass(mutates_CFG=True, analysis_only=False)


@passing
class Versions(untyped.ReconstructSSA):
    """The pass that names each value of a variable, but leaves it to a later one to look where each is last used."""

    _name = f"{NAME}_versions"

    def run_pass(self, state: Any) -> bool:
        """Change the function."""
        state.func_ir = core.ssa.reconstruct_ssa(state.func_ir)
        state.func_ir._definitions = core.ir_utils.build_definitions(state.func_ir.blocks)
        return True


@passing
class Joined(typed.PreLowerStripPhis):
    """The pass that takes those names back where branches meet, likewise."""

    _name = f"{NAME}_joined"

    def run_pass(self, state: Any) -> bool:
        """Change the function."""
        state.func_ir = self._strip_phi_nodes(state.func_ir)
        state.func_ir._definitions = core.ir_utils.build_definitions(state.func_ir.blocks)
        return True


#: The passes over a kernel: Numba's, without those for closures, contexts, exceptions, literals and threads.
PASSES: Final = (
    untyped.TranslateByteCode,
    untyped.FixupArgs,
    untyped.GenericRewrites,
    untyped.InlineInlinables,
    untyped.DeadBranchPrune,
    Versions,
    typed.NopythonTypeInference,
    Joined,
    typed.InlineOverloads,
    typed.IRLegalization,
    typed.NativeLowering,
    typed.NoPythonBackend,
)


class Compilation(core.compiler.CompilerBase):
    """The way from the lines of a kernel to its code."""

    def define_pipelines(self) -> list[Any]:
        """Return the passes in their order."""
        self.state.type_annotation = ""  # a text with the type of all in each line, which would be kept on disk
        manager = core.compiler_machinery.PassManager(NAME)
        for one in PASSES:
            manager.add_pass(one, one.__name__)
        manager.finalize()
        return [manager]


class Library(core.codegen.JITCodeLibrary):
    """The code of a kernel, or of a step, which becomes machine code as a part of kernels alone."""

    #: Whether it becomes machine code by itself.
    called = False

    def _set_compiled_object(self, value: Any) -> None:
        self.called = True
        super()._set_compiled_object(value)

    def _finalize_final_module(self) -> None:
        if self.called:
            super()._finalize_final_module()
        else:
            self._finalize_dynamic_globals()
            self._verify_declare_only_symbols()
            self._finalized = True

    def serialize_using_object_code(self) -> Any:
        """Return what is kept on disk."""
        if self.called:
            return super().serialize_using_object_code()
        return self.name, "bitcode", self._get_module_for_linking().as_bitcode()


class Processor(core.codegen.JITCPUCodegen):
    """The processor of this computer."""

    _library_class = Library

    def set_env(self, env_name: str, env: Any) -> None:
        """Give a function its surroundings, once it is machine code."""
        if self._engine.is_symbol_defined(env_name):
            super().set_env(env_name, env)


class Lowering(core.cpu.CPUContext):
    """How the functions of kernels are written."""

    def init(self) -> None:
        """Begin with the mathematical functions of C."""
        super().init()
        self._internal_codegen = Processor(NAME)
        for name in IMPLEMENTED:
            importlib.import_module(name)

    def refresh(self) -> None:
        """Learn what has been declared since; what is learnt declares more, and asks for the same again."""
        if self.typing_context.learning:
            return
        self.typing_context.learning = True
        try:
            super().refresh()
        finally:
            self.typing_context.learning = False

    def load_additional_registries(self) -> None:
        """Learn how numbers, tuples and arrays are handled."""
        for registry in lists(LISTED):
            self.install_registry(registry)

    def post_lowering(self, mod: Any, library: Any) -> None:
        """Add what counts references, where any are counted."""
        if self.enable_nrt:
            core.runtime.rtsys.initialize(core.registry.cpu_target.target_context)
            super().post_lowering(mod, library)

    def get_executable(self, library: Any, fndesc: Any, env: Any) -> Any:
        """Return what stands for a function in Python."""
        if not library.called:  # else it comes from disk
            defined = {function.name for function in library._final_module.functions if not function.is_declaration}
            library.called = fndesc.llvm_cpython_wrapper_name in defined
        executable = super().get_executable(library, fndesc, env)
        for name in (value.name for value in library._final_module.global_variables):
            if name.startswith("_ZN08NumbaEnv"):
                self.codegen().set_env(name, core.compiler.lookup_environment(name))
        return executable


class Kernels(extension.CPU):
    """The name of the target, as a class: all that is declared for the processor is declared for it."""


extension.target_registry[NAME] = Kernels
knowledge = Knowledge()
lowering = Lowering(knowledge, NAME)


class Description(core.descriptors.TargetDescriptor):
    """What a dispatcher asks of its target."""

    options = core.cpu.CPUTargetOptions
    typing_context = knowledge
    target_context = lowering


class Kernel(core.dispatcher.Dispatcher):
    """A kernel or a step, of which each combination of types is compiled when it is first called with it."""

    targetdescr = Description(NAME)

    def __init__(
        self, py_func: Any, locals: Any = None, targetoptions: Any = None, pipeline_class: Any = Compilation
    ) -> None:
        super().__init__(py_func, locals, targetoptions, pipeline_class)

    def _compilation_chain_init_hook(self) -> None:
        """Look for no extensions of Numba's: they are about types that kernels do not have."""

    def add_overload(self, cres: Any) -> None:
        """Make a compiled form known here, and to functions of the user's that call it."""
        super().add_overload(cres)
        core.registry.cpu_target.target_context.insert_user_function(cres.entry_point, cres.fndesc, [cres.library])


extension.dispatcher_registry[Kernels] = Kernel
# Numba's own functions in Python, which kernels call, may hold more than kernels and take all passes.
extension.jit_registry[Kernels] = functools.partial(numba.jit, _target=NAME, pipeline_class=core.compiler.Compiler)
